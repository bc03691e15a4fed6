from functools import partial
from pathlib import Path

import pytest

from sercl.errors import OutputError
from sercl.launchers import Work
from sercl.launchers.local import InProcess
from sercl.studies.cross_eval.plan.trainings import Training
from sercl.studies.cross_eval.run import pieces
from sercl.studies.cross_eval.run.pieces import FrozenBatch, run_frozen
from sercl.studies.cross_eval.run.results import CellResults, cell_folder, read_predictions, read_result
from sercl.studies.cross_eval.run.session import run_pending
from sercl.studies.cross_eval.run.works import WorkItem
from sercl.studies.results.records import LOG
from tests.studies.cross_eval.samples import EMOTIONS, frozen_batch, frozen_training, names, subset

TEST = subset("A", names("t"))
SEEDS = [frozen_training(seed=seed) for seed in range(5)]


def addresses(batch: FrozenBatch) -> list[str]:
    return [address for tests in batch.tests for address in tests]


def task(batch: FrozenBatch) -> WorkItem:
    work = Work("a batch", partial(run_frozen, batch), batch.folder / "logs" / "batch.txt")
    return WorkItem(work, frozenset(item.address for item in SEEDS), frozenset(addresses(batch)))


def break_at(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the disk full when result `number`, from 1, is written."""
    write, written = pieces.write_result, []

    def failing(folder: Path, address: str, *others: object) -> None:
        if len(written) == number - 1:
            raise OutputError("the disk is full")
        written.append(address)
        write(folder, address, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(pieces, "write_result", failing)


def test_every_test_of_every_training_is_kept(tmp_path: Path) -> None:
    batch = frozen_batch(tmp_path, SEEDS, TEST)
    run_frozen(batch)
    for training, address in zip(SEEDS, addresses(batch), strict=True):
        result = read_result(tmp_path, address)
        assert (result.training, result.trained) == (training.address, 8)
        table = read_predictions(tmp_path, address, EMOTIONS)
        assert table["utterance"].to_pylist() == names("t")
        assert table["truth"].to_pylist() == [EMOTIONS[label] for label in TEST.split.labels]
        assert table["speaker"].to_pylist() == ["t"] * 8


def test_a_batch_that_fails_keeps_what_it_has_and_the_rest_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = frozen_batch(tmp_path, SEEDS, TEST)
    break_at(3, monkeypatch)
    failures = run_pending([[task(batch)]], CellResults(tmp_path), InProcess())
    kept = {address for address in addresses(batch) if read_result(tmp_path, address)}
    assert len(kept) == 2
    assert failures.cells.keys() == set(addresses(batch)) - kept
    assert set(failures.cells.values()) == {"OutputError: the disk is full"}
    for address in addresses(batch):
        assert (cell_folder(tmp_path, address) / LOG).is_file() == (address not in kept)
    log = next(cell_folder(tmp_path, address) / LOG for address in failures.cells)
    assert "Traceback" in log.read_text(encoding="utf-8")


def test_epochs_of_a_second_stage_hold_those_of_the_first(tmp_path: Path) -> None:
    first = frozen_training()
    second = frozen_training("B", start=first)
    batch = frozen_batch(tmp_path, [first, second], subset("B", names("t")))
    run_frozen(batch)
    assert [read_result(tmp_path, address).epochs for address in addresses(batch)] == [2, 4]


def test_a_training_without_a_test_leaves_nothing(tmp_path: Path) -> None:
    first: Training = frozen_training()
    batch = frozen_batch(tmp_path, [first, frozen_training("B", start=first)], subset("B", names("t")))
    run_frozen(FrozenBatch(**{**vars(batch), "tests": ({}, batch.tests[1])}))
    assert [path.name for path in (tmp_path / "cells").iterdir()] == list(batch.tests[1])
