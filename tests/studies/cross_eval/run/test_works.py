import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sercl.files import write_text
from sercl.studies.cross_eval.plan.planner import Plan
from sercl.studies.cross_eval.run import works
from sercl.studies.cross_eval.run.pieces import training_folder
from sercl.studies.cross_eval.run.results import CellResult, CellResults, predictions_of, write_result
from sercl.studies.cross_eval.run.works import Pending, WorkItem, Workshop, _batches, pending
from sercl.studies.training.stages import StageResult
from sercl.studies.training.trainers import TrainerOptions
from tests.studies.cross_eval.samples import EMOTIONS, SPACE, by_condition, cut, frozen_training, plan_of


class FakeEncoders:
    def space(self, *_: object) -> object:
        return SPACE


def plan(**changes: Any) -> Plan:
    """Two corpora: a training on each, and one that continues from each."""
    settings = ["monolingual", "two-stage"]
    return plan_of([cut("A"), cut("B")], **{"settings": settings, "seeds": [1], "folds": [0], **changes})


def finish(folder: Path, own: Plan, addresses: set[str]) -> None:
    for address, (training, test) in own.tests.items():
        if address in addresses:
            record = CellResult(training.address, 0, 1, True, 1.0, training.size)
            write_result(folder, address, predictions_of(test, [[0.25] * 4] * len(test), EMOTIONS), record)


def waves(folder: Path, missing: Pending) -> list[list[WorkItem]]:
    trainer, store = TrainerOptions({}, {}, {}), folder / "store"
    workshop = Workshop(folder, {}, trainer, FakeEncoders(), lambda *_: store)  # type: ignore[arg-type]
    return list(workshop.waves(missing))


def test_nothing_is_pending_where_everything_is_done(tmp_path: Path) -> None:
    own = plan()
    assert pending(own, CellResults(tmp_path)).cells == own.tests.keys()
    finish(tmp_path, own, set(own.tests))
    assert pending(own, CellResults(tmp_path)) == Pending()


def test_a_frozen_first_stage_is_trained_again_for_a_second_one_that_lacks(tmp_path: Path) -> None:
    own = plan()
    (second,) = by_condition(own, setting="two-stage", source="A")
    finish(tmp_path, own, own.tests.keys() - {second.address})
    missing = pending(own, CellResults(tmp_path))
    assert missing.cells == {second.address}
    assert [item.address for item in second.training.chain] == list(missing.trainings)
    ((task,),) = waves(tmp_path, missing)
    assert task.trainings == {second.training.address}
    assert task.cells == {second.address}


def test_a_finished_first_stage_with_adapters_is_not_trained_again(tmp_path: Path) -> None:
    own = plan(adapters=["lora"])
    (second,) = by_condition(own, setting="two-stage", source="A")
    finish(tmp_path, own, own.tests.keys() - {second.address})
    assert set(pending(own, CellResults(tmp_path)).trainings) == {
        step.address for step in second.training.chain
    }
    assert second.training.start is not None
    own_folder = training_folder(tmp_path, second.training.start)
    result = StageResult("train", str(own_folder / "best.ckpt"), "val/loss", 0.5, 2, 3, False, 1, 1.0)
    for name, text in (("best.ckpt", ""), ("stage.json", json.dumps(asdict(result)))):
        write_text(own_folder / name, text)
    assert set(pending(own, CellResults(tmp_path)).trainings) == {second.training.address}


def test_a_finished_study_that_lacks_the_tests_of_its_sources_runs_these_only(tmp_path: Path) -> None:
    """As one that an earlier version has finished."""
    for adapter in ("none", "lora"):
        folder, own = tmp_path / adapter, plan(adapters=[adapter])
        finish(folder, own, {item.address for item in own.cells})
        missing = pending(own, CellResults(folder))
        assert len(own.forgetting) == 2
        # Before the second stage, the source's own model is tested on it anyway.
        assert missing.cells == {item.addresses[1] for item in own.forgetting}
        second = {item.after.address for item in own.forgetting}
        found = [task for wave in waves(folder, missing) for task in wave]
        assert {address for task in found for address in task.cells} == missing.cells
        assert second <= {address for task in found for address in task.trainings}


def test_second_stages_with_adapters_wait_for_the_first(tmp_path: Path) -> None:
    own = plan(adapters=["none", "lora"])
    first, second = waves(tmp_path, pending(own, CellResults(tmp_path)))
    assert [len(task.needs) for task in first] == [0, 0, 0]
    assert [task.steps for task in first] == [4, 1, 1], "all on hidden states go together"
    done = {address for task in first for address in task.trainings}
    assert len(second) == 2
    assert all(len(task.needs) == 1 and task.needs < done for task in second)
    cells = [address for wave in (first, second) for task in wave for address in task.cells]
    assert sorted(cells) == sorted(own.tests)


@pytest.mark.parametrize("followers", [[], [0], [0] * 11, [2] * 5, [3, 0, 4, 1, 0, 0, 2], [9]])
def test_batches_hold_every_training_once_and_what_it_starts_from_before_it(
    followers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(works, "BATCH", 5)
    heads = [frozen_training(seed=seed) for seed in range(len(followers))]
    seconds = [
        frozen_training("B", 100 * head.seed + own, head)
        for head, count in zip(heads, followers, strict=True)
        for own in range(count)
    ]
    batches = list(_batches([*heads, *seconds]))  # a study lists all of one setting before those of the next
    listed = [item.address for batch in batches for item in batch]
    assert sorted(listed) == sorted(item.address for item in (*heads, *seconds))
    for batch in batches:
        assert len(batch) <= 5 or len({item.chain[0].address for item in batch}) == 1
        own_folder = {item.address: index for index, item in enumerate(batch)}
        for item in batch:
            assert item.start is None or own_folder[item.start.address] < own_folder[item.address]


def test_what_is_lacking_is_counted_once(tmp_path: Path) -> None:
    missing = pending(plan(), CellResults(tmp_path))
    assert missing.cells is missing.cells, "tables ask once per cell"
