import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sercl.errors import ResultsError
from sercl.studies.cross_eval.study_file import STUDY, read_study, write_study
from sercl.testing.studies import Grid, fake_study


def test_a_study_comes_back_as_it_was(folder: Path, grid: Grid, tmp_path: Path) -> None:
    study = read_study(folder)
    assert len(study.records) == sum(1 for item in grid.conditions() for _ in grid.cells(item))
    assert study.conditions == tuple(grid.conditions())
    first = replace(
        study.records[0], notes=("mind this",), shared_speakers=("03",), early_stopped=None, layer=None
    )
    corpora = {name: replace(own, notes=(f"about {name}",)) for name, own in study.corpora.items()}
    changed = replace(
        study, corpora=corpora, records=(first, *study.records[1:]), warnings=("über alles",), seconds=1.5
    )
    write_study(changed, tmp_path)
    assert read_study(tmp_path) == changed


def test_failed_and_missing_cells_are_distinguished(grid: Grid, tmp_path: Path) -> None:
    fake_study(tmp_path, grid, failed=1, missing=2)
    states = [record.status for record in read_study(tmp_path).records]
    assert (states.count("failed"), states.count("missing")) == (1, 2)


def test_notes_of_corpora_may_be_left_out(folder: Path, tmp_path: Path) -> None:
    content = json.loads((folder / STUDY).read_text())
    for corpus in content["corpora"].values():
        del corpus["notes"]
    (tmp_path / STUDY).write_text(json.dumps(content))
    assert read_study(tmp_path) == read_study(folder)


def test_a_study_of_an_earlier_version_has_nothing_about_forgetting(folder: Path, tmp_path: Path) -> None:
    content = json.loads((folder / STUDY).read_text())
    assert content.pop("forgetting")
    (tmp_path / STUDY).write_text(json.dumps(content))
    assert read_study(tmp_path) == replace(read_study(folder), forgetting=())


def broken(folder: Path, tmp_path: Path, change: Any) -> Path:
    content = json.loads((folder / STUDY).read_text())
    change(content)
    (tmp_path / STUDY).write_text(json.dumps(content))
    return tmp_path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("classes"), "classes is missing"),
        (lambda c: c.update(classes=["angry", 3]), r"classes\[1\]: expected a text, got a whole number"),
        (lambda c: c.update(format=99), "has format 99; this sercl reads 1"),
        (lambda c: c.update(seconds="long"), "seconds: expected a number, got a text"),
        (lambda c: c.update(cells={}), "cells: expected a list, got an object"),
        (lambda c: c["cells"].append("x"), r"cells\[\d+\]: expected an object, got a text"),
        (lambda c: c["cells"][3].pop("fold"), r"cells\[3\].cell.fold is missing"),
        (
            lambda c: c["cells"][3].update(fold=True),
            r"cells\[3\].cell.fold: expected a whole number, got true or false",
        ),
        (lambda c: c["cells"][3].update(status="done?"), "valid: done, failed, missing"),
        (lambda c: c["cells"][3].update(setting="mono"), "valid: monolingual, zero-shot"),
        (lambda c: c["cells"][3].update(early_stopped=1), "early_stopped: expected true or false or null"),
        (lambda c: c["cells"].append(c["cells"][0]), "is a cell that is already in the list"),
        (lambda c: c.update(forgetting={}), "forgetting: expected a list, got an object"),
        (lambda c: c["forgetting"][2].pop("after"), r"forgetting\[2\].after is missing"),
        (lambda c: c["forgetting"][2].update(status="half"), "valid: done, failed, missing"),
        (
            lambda c: c["forgetting"].append(c["forgetting"][0]),
            r"forgetting\[\d+\] is a cell that is already",
        ),
        (lambda c: c["corpora"]["EmoDB"].pop("languages"), r"corpora\[...\].languages is missing"),
        (lambda c: c.update(label_map=[]), "label_map: expected an object, got a list"),
    ],
)
def test_what_is_broken_is_named_with_file_and_advice(
    folder: Path, tmp_path: Path, change: Any, message: str
) -> None:
    with pytest.raises(ResultsError, match=message) as caught:
        read_study(broken(folder, tmp_path, change))
    assert str(caught.value).startswith(str(tmp_path / STUDY))
    assert "Run `sercl cross-eval` into this folder again" in str(caught.value)


def test_no_file_half_a_file_and_another_file(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no such file"):
        read_study(tmp_path)
    (tmp_path / STUDY).write_text((folder / STUDY).read_text()[:500])
    with pytest.raises(ResultsError, match="is not valid JSON"):
        read_study(tmp_path)
    (tmp_path / STUDY).write_text("[1, 2]")
    with pytest.raises(ResultsError, match="expected an object, got a list"):
        read_study(tmp_path)
