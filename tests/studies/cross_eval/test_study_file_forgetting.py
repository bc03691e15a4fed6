from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sercl.errors import ResultsError
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.cross_eval.study_file import (
    FORGETTING,
    PREDICTIONS,
    forgetting_schema,
    read_forgetting,
    read_study,
    schema,
    write_forgetting,
)
from sercl.testing.studies import CLASSES, Grid, fake_study

FORGET = ("two-stage", "few-shot")


def test_every_condition_that_may_forget_has_both_predictions(folder: Path) -> None:
    study = read_study(folder)
    found = read_forgetting(folder, study)
    assert list(found) == list(dict.fromkeys((own.cell.condition, own.corpus) for own in study.forgetting))
    assert {condition.setting for condition, _ in found} == set(FORGET)
    for (condition, corpus), (before, after) in found.items():
        assert corpus == condition.source
        assert set(before.utterance) == set(after.utterance)
        assert all(name.startswith(f"{corpus}-") for name in before.utterance)
        assert before.runs == after.runs
        assert (before.probabilities != after.probabilities).any()


def test_rows_say_when_and_what_was_tested_and_stay_apart_from_those_of_targets(folder: Path) -> None:
    frame = pd.read_parquet(folder / FORGETTING)
    assert list(frame.columns) == ["when", "corpus", *schema(CLASSES).names]
    assert set(frame["when"]) == {"before", "after"}
    assert (frame["corpus"].astype(str) == frame["source"].astype(str)).all()
    targets = pd.read_parquet(folder / PREDICTIONS)
    assert list(targets.columns) == schema(CLASSES).names
    after = frame[frame["when"] == "after"]
    assert not set(after["cell"]) & set(targets["cell"])
    study = read_study(folder)
    addresses = {own.before for own in study.forgetting} | {own.after for own in study.forgetting}
    assert set(frame["cell"]) == addresses


def test_without_a_finished_test_there_is_nothing(tmp_path: Path, grid: Grid) -> None:
    study = fake_study(tmp_path, grid, missing=10_000)
    assert {own.status for own in study.forgetting} == {"missing"}
    assert read_forgetting(tmp_path, study) == {}


def test_what_is_unfinished_is_left_out(tmp_path: Path, grid: Grid) -> None:
    study = fake_study(tmp_path, replace(grid, settings=("two-stage",)), missing=5)
    assert {own.status for own in study.forgetting} == {"done", "missing"}
    found: set[Condition] = {condition for condition, _ in read_forgetting(tmp_path, study)}
    assert set(study.conditions) - found == {study.conditions[-1]}


def cut(table: pa.Table) -> pa.Table:
    return table.slice(1)


def without_after(table: pa.Table) -> pa.Table:
    return table.filter(pa.compute.equal(table["when"].cast(pa.string()), "before"))


def doubled(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table.slice(0, 1), table.slice(0, 1), table.slice(2)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut, r"has \d+ predictions for \d+ test utterances of cell"),
        (without_after, "does not match study.json: .* of the cells listed there as done are missing, and 0"),
        (doubled, "twice in a cell"),
    ],
)
def test_contradictions_between_the_files_are_refused(
    folder: Path, tmp_path: Path, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    study, table = read_study(folder), pq.read_table(folder / FORGETTING).cast(forgetting_schema(CLASSES))
    write_forgetting([change(table)], CLASSES, tmp_path / FORGETTING)
    with pytest.raises(ResultsError, match=message) as caught:
        read_forgetting(tmp_path, study)
    assert str(caught.value).startswith(str(tmp_path / FORGETTING))


def test_a_missing_file_or_column_is_one_message(folder: Path, tmp_path: Path) -> None:
    study = read_study(folder)
    with pytest.raises(ResultsError, match=f"{FORGETTING}: no such file"):
        read_forgetting(tmp_path, study)
    pq.write_table(pq.read_table(folder / PREDICTIONS), tmp_path / FORGETTING)
    with pytest.raises(ResultsError, match="lacks the columns when, corpus"):
        read_forgetting(tmp_path, study)
