from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from sercl.errors import ResultsError
from sercl.studies.cross_eval.study_file import (
    PREDICTIONS,
    read_predictions,
    read_study,
    read_table,
    write_predictions,
)
from sercl.testing.studies import CLASSES, Grid, fake_study


def test_each_condition_has_its_own_predictions(folder: Path, grid: Grid) -> None:
    study = read_study(folder)
    answers = read_predictions(folder, study)
    assert tuple(answers) == study.conditions
    table = read_table(folder / PREDICTIONS, CLASSES).to_pylist()
    for condition, own in list(answers.items())[::5]:
        rows = [row for row in table if all(row[k] == v for k, v in vars(condition).items())]
        assert len(rows) == len(own.truth)
        assert [CLASSES[index] for index in own.predicted] == [row["predicted"] for row in rows]
        assert [own.runs[index] for index in own.run] == [(row["draw"], row["seed"]) for row in rows]
        assert own.utterance.tolist() == [row["utterance"] for row in rows]
        assert own.speaker.tolist() == [row["speaker"] for row in rows]
        assert own.fold.tolist() == [row["fold"] for row in rows]
        assert own.probabilities.argmax(axis=1).tolist() == own.predicted.tolist()


def test_unknown_speakers_are_none(tmp_path: Path, grid: Grid) -> None:
    study = fake_study(tmp_path, grid, speakers={"EmoDB": 6, "RAVDESS": 0})
    for condition, own in read_predictions(tmp_path, study).items():
        assert (own.speaker[0] is None) == (condition.target == "RAVDESS")
        assert own.by_speaker == (condition.target == "EmoDB")


def test_conditions_without_a_finished_cell_are_left_out(tmp_path: Path, grid: Grid) -> None:
    study = fake_study(tmp_path, grid, missing=5)
    answers = read_predictions(tmp_path, study)
    assert set(study.conditions) - set(answers) == {study.conditions[-1]}


def test_contradictions_between_the_files_are_refused(folder: Path, tmp_path: Path) -> None:
    study, table = read_study(folder), read_table(folder / PREDICTIONS, CLASSES)
    rows = study.records[0].parts["test"]
    write_predictions([table.slice(rows)], CLASSES, tmp_path / PREDICTIONS)
    with pytest.raises(ResultsError, match="1 of the cells listed there as done are missing, and 0"):
        read_predictions(tmp_path, study)
    write_predictions([table.slice(1)], CLASSES, tmp_path / PREDICTIONS)
    with pytest.raises(ResultsError, match=f"has {rows - 1} predictions for {rows} test utterances"):
        read_predictions(tmp_path, study)
    write_predictions([table], CLASSES, tmp_path / PREDICTIONS)
    unfinished = replace(study.records[0], status="missing")
    with pytest.raises(ResultsError, match="missing, and 1 are not listed as done"):
        read_predictions(tmp_path, replace(study, records=(unfinished, *study.records[1:])))
    doubled = pa.concat_tables([table.slice(0, 1), table.slice(0, rows - 1), table.slice(rows)])
    write_predictions([doubled], CLASSES, tmp_path / PREDICTIONS)
    with pytest.raises(ResultsError, match="has utterance 'EmoDB-00-angry-0' twice in a cell"):
        read_predictions(tmp_path, study)
