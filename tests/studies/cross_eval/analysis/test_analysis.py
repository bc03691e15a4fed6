from pathlib import Path

import pytest

from sercl.errors import ResultsError
from sercl.studies.cross_eval.analysis.analysis import analyse
from sercl.studies.cross_eval.study_file import PREDICTIONS
from sercl.testing.studies import Grid, fake_study


def test_everything_derives_from_the_folder(folder: Path) -> None:
    first, second = analyse(folder), analyse(folder)
    assert first == second
    assert tuple(first.scores) == first.study.conditions
    assert first.families
    assert first.curves
    assert first.published == ()


def test_nothing_finished_is_an_empty_analysis(tmp_path: Path, grid: Grid) -> None:
    study = fake_study(tmp_path, grid, missing=10_000)
    assert {record.status for record in study.records} == {"missing"}
    analysis = analyse(tmp_path)
    assert (analysis.scores, analysis.families, analysis.curves) == ({}, (), ())
    assert "cells have not been run" in analysis.warnings[0].text


def test_a_missing_file_is_one_message(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text((folder / "study.json").read_text())
    with pytest.raises(ResultsError, match=f"{PREDICTIONS}: no such file"):
        analyse(tmp_path)
