from dataclasses import replace
from math import isnan
from pathlib import Path

import pytest

from sercl.metrics.functional.comparison import holm
from sercl.studies.cross_eval.analysis.analysis import analyse
from sercl.studies.cross_eval.analysis.forgetting import find_forgetting
from sercl.studies.cross_eval.cells import CONDITION_FIELDS
from sercl.studies.cross_eval.study_file import read_forgetting, read_study, write_study
from sercl.studies.results.forgetting import COLUMNS, Forgetting, SourceTest
from sercl.testing.studies import Grid, fake_study


def test_each_condition_has_its_scores_and_holm_covers_all(folder: Path) -> None:
    tests = read_forgetting(folder, read_study(folder))
    found = find_forgetting(tests)
    assert [(own.condition, own.scores.corpus) for own in found] == list(tests)
    p_values = {}
    for index, (own, (key, predictions)) in enumerate(zip(found, tests.items(), strict=True)):
        alone = Forgetting.of(SourceTest(key[1], *predictions))
        assert own.scores.before == alone.before
        assert own.scores.paired.difference == alone.paired.difference
        assert alone.paired.test is not None
        p_values[index] = alone.paired.test.p
    corrected = holm(p_values)
    assert [own.scores.paired.p_holm for own in found] == pytest.approx(list(corrected.values()))
    assert analyse(folder).forgetting == found


def test_a_second_stage_forgets_more_than_few_shot_training(folder: Path) -> None:
    differences: dict[str, list[float]] = {}
    for own in analyse(folder).forgetting:
        differences.setdefault(own.condition.setting, []).append(own.scores.paired.difference.value)
    means = {setting: sum(own) / len(own) for setting, own in differences.items()}
    assert means["two-stage"] < means["few-shot"]
    assert means["two-stage"] < 0


def test_a_row_has_the_condition_and_every_score(folder: Path) -> None:
    own = find_forgetting(read_forgetting(folder, read_study(folder)))[0]
    rows = list(own.rows())
    assert [row["score"] for row in rows][:3] == ["uar", "wa", "macro_f1"]
    assert all(tuple(row) == (*CONDITION_FIELDS, *COLUMNS) for row in rows)
    assert not isnan(rows[0]["p_holm"])
    assert isnan(rows[1]["p_holm"])


def test_a_study_without_them_has_none(tmp_path: Path, grid: Grid) -> None:
    fake_study(tmp_path, replace(grid, settings=("monolingual", "zero-shot")))
    assert analyse(tmp_path).forgetting == ()


def test_failed_tests_and_speakers_of_sources_are_in_the_warnings(tmp_path: Path, grid: Grid) -> None:
    study = fake_study(tmp_path, replace(grid, settings=("two-stage",), adapters=("none",)), speakers=6)
    first, second, *others = study.forgetting
    changed = (
        replace(first, status="failed", error="no memory"),
        replace(second, shared_speakers=("EmoDB 03",), notes=("mind the source",)),
    )
    write_study(replace(study, forgetting=(*changed, *others)), tmp_path)
    path = tmp_path / "forgetting.parquet"
    path.write_bytes(_without(path, first.cell.to_dict()))
    warnings = analyse(tmp_path).warnings
    incomplete = next(own for own in warnings if own.kind == "incomplete")
    assert incomplete.text.startswith("1 test of sources failed")
    assert incomplete.details == (f"EmoDB for {first.cell.condition.label}, fold 0, seed 1: no memory",)
    assert any(own.text.startswith("EmoDB: 1 tested speaker also seen in training") for own in warnings)
    assert any(own.text == "mind the source" for own in warnings)


def _without(path: Path, cell: dict[str, object]) -> bytes:
    """Return the file without the rows of a cell."""
    import io

    import pandas as pd

    frame = pd.read_parquet(path)
    own = (frame[list(cell)].astype(object) == pd.Series(cell)).drop(columns="shots").all(axis=1)
    buffer = io.BytesIO()
    frame[~own].to_parquet(buffer, index=False)
    return buffer.getvalue()


def test_few_speakers_of_a_source_are_named(tmp_path: Path, grid: Grid) -> None:
    fake_study(tmp_path, replace(grid, settings=("two-stage",)), speakers=5)
    texts = [own.text for own in analyse(tmp_path).warnings if own.kind == "test"]
    assert texts == [
        "With 5 speakers no paired test can give p below 0.062, however clear the difference: no difference "
        "can be significant, and none has a 95 % interval.",
        "With 5 speakers no paired test of sources can give p below 0.062, however clear the difference: no "
        "difference can be significant, and none has a 95 % interval.",
    ]
