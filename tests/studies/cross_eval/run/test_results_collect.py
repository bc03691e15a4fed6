from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sercl.errors import ResultsError
from sercl.studies.cross_eval.cells import Study, StudyCorpus, StudyEncoder
from sercl.studies.cross_eval.plan.planner import PlannedCell
from sercl.studies.cross_eval.run.results import (
    CellResult,
    CellResults,
    cell_folder,
    collect,
    predictions_of,
    write_result,
)
from sercl.studies.cross_eval.study_file import (
    FORGETTING,
    PREDICTIONS,
    read_forgetting,
    read_predictions,
    read_study,
)
from tests.studies.cross_eval.samples import EMOTIONS, by_condition, cut, plan_of

PLAN = plan_of([cut("A"), cut("B")], settings=["monolingual", "transfer", "two-stage"], seeds=[1, 2])
DESCRIBED = {name: StudyCorpus("EmoDB", ("de",), "speaker", 2) for name in "AB"}


def finish(folder: Path, items: list[PlannedCell], always: int | None = None) -> None:
    for item in items:
        result = CellResult(item.training.address, 1, 5, True, 2.0, item.training.size, ("mind this",))
        labels = list(item.test.split.labels)
        probabilities = np.eye(4)[labels if always is None else len(labels) * [always]]
        write_result(folder, item.address, predictions_of(item.test, probabilities, EMOTIONS), result)


def collected(folder: Path, failures: dict[str, str] | None = None) -> Study:
    encoder = {"an encoder": StudyEncoder("somewhere", "whisper", "abc")}
    labels = {name: [name] for name in EMOTIONS}
    return collect(
        PLAN, CellResults(folder), failures or {}, DESCRIBED, encoder, labels, {"sercl": "0"}, 10.0
    )


def test_a_cell_is_done_failed_or_missing(tmp_path: Path) -> None:
    done, failed = (
        by_condition(PLAN, setting="monolingual", target="A"),
        by_condition(PLAN, setting="two-stage"),
    )
    finish(tmp_path, done)
    collected(tmp_path, {failed[0].address: "no memory", done[0].address: "of a batch that failed later"})
    study = read_study(tmp_path)
    found = {record.cell: record for record in study.records}
    assert [record.cell for record in study.records] == [item.cell for item in PLAN.cells]
    assert {found[item.cell].status for item in done} == {"done"}
    assert found[done[0].cell].error is None
    assert (found[failed[0].cell].status, found[failed[0].cell].error) == ("failed", "no memory")
    assert found[failed[1].cell].status == "missing"
    first = found[done[0].cell]
    assert (first.layer, first.epochs, first.notes) == (1, 5, ("mind this",))
    assert first.parts == {"train": 16, "validation": 8, "test": 8}


def test_a_cell_that_predicts_one_class_says_which(tmp_path: Path) -> None:
    finish(tmp_path, by_condition(PLAN, setting="monolingual", target="A"), always=2)
    finish(tmp_path, by_condition(PLAN, setting="monolingual", target="B"))
    collected(tmp_path)
    own = {
        record.cell.condition.target: record.one_class
        for record in read_study(tmp_path).records
        if record.cell.condition.setting == "monolingual"
    }
    assert own == {"A": EMOTIONS[2], "B": None}


def test_predictions_are_those_of_the_cells_that_are_done(tmp_path: Path) -> None:
    own = by_condition(PLAN, setting="monolingual", target="B")
    finish(tmp_path, own)
    study = collected(tmp_path)
    # Transfer is the same computation: it is done, too, and has rows of its own.
    done = {record.cell.condition for record in study.records if record.status == "done"}
    assert {(item.setting, item.source, item.target) for item in done} == {
        ("monolingual", "B", "B"),
        ("transfer", "A", "B"),
    }
    assert pq.read_metadata(tmp_path / PREDICTIONS).num_rows == len(done) * 2 * 2 * 8
    answers = read_predictions(tmp_path, study)
    for item in answers.values():
        assert (item.truth == item.predicted).all()
        assert set(item.speaker) == {"a", "b"}


def test_lists_say_what_was_trained_and_tested_on(tmp_path: Path) -> None:
    second = by_condition(PLAN, setting="two-stage", source="A")
    finish(tmp_path, second)
    collected(tmp_path)
    folders = [cell_folder(tmp_path, item.address) / "folds" for item in second]
    assert [folder.is_dir() for folder in folders] == [True, True, False, False], "other seeds have the same"
    assert sorted(path.name for path in folders[0].iterdir()) == [
        "source-test.csv",
        "source-train.csv",
        "source-validation.csv",
        "test.csv",
        "train.csv",
        "validation.csv",
    ]
    lines = (folders[0] / "source-train.csv").read_text().splitlines()
    assert lines[0] == "file,answer,corpus"
    assert {line.split(",")[2] for line in lines[1:]} == {"A"}
    assert len(lines) == 1 + 16


def test_a_source_is_collected_once_both_of_its_tests_are_there(tmp_path: Path) -> None:
    first, second, *_ = PLAN.forgetting
    result = CellResult(first.after.address, 1, 5, True, 2.0, 16)
    labels = list(first.test.split.labels)
    for address, right in zip(first.addresses, (1.0, 0.0), strict=True):
        probabilities = np.eye(4)[labels if right else [0] * len(labels)]
        write_result(tmp_path, address, predictions_of(first.test, probabilities, EMOTIONS), result)
    study = collected(tmp_path, {second.addresses[1]: "no memory"})
    found = {(own.cell, own.corpus): own for own in study.forgetting}
    assert len(found) == len(PLAN.forgetting)
    own = found[first.cell, "A"]
    assert (own.status, own.before, own.after, own.utterances) == ("done", *first.addresses, 8)
    assert (found[second.cell, "A"].status, found[second.cell, "A"].error) == ("failed", "no memory")
    assert {own.status for own in study.forgetting[2:]} == {"missing"}
    before, after = read_forgetting(tmp_path, study)[first.cell.condition, "A"]
    assert (before.predicted == before.truth).all()
    assert (after.predicted == 0).all()


def test_without_a_tested_source_there_is_no_file_of_an_earlier_run(tmp_path: Path) -> None:
    (tmp_path / FORGETTING).write_text("of earlier options")
    collected(tmp_path)
    assert not (tmp_path / FORGETTING).exists()


def test_the_study_is_returned_as_it_is_read(tmp_path: Path) -> None:
    study = collected(tmp_path)
    assert (read_study(tmp_path), read_study(tmp_path).digest) == (study, study.digest)


def test_a_broken_result_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    own = by_condition(PLAN, setting="monolingual", target="A")
    finish(tmp_path, own)
    (cell_folder(tmp_path, own[0].address) / PREDICTIONS).write_bytes(b"PAR1")
    with pytest.raises(ResultsError, match="Remove this folder and run"):
        collected(tmp_path)
    assert not (tmp_path / PREDICTIONS).exists()
    assert not (tmp_path / "study.json").exists()
