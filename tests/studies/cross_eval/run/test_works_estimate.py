from dataclasses import replace
from pathlib import Path

import pytest

from sercl.studies.cross_eval.run.results import CellResult, CellResults, predictions_of, write_result
from sercl.studies.cross_eval.run.works import Estimate, estimate, measured, of_pending, pending
from tests.studies.cross_eval.samples import EMOTIONS, cut, frozen_training, plan_of

PLAN = plan_of([cut("A")], settings=["monolingual"], seeds=[1, 2], adapters=["none", "lora"])


def finish(folder: Path, own_folder: int, seconds: float) -> None:
    item = PLAN.cells[own_folder]
    record = CellResult(item.training.address, 0, 1, True, seconds, item.training.size)
    write_result(
        folder, item.address, predictions_of(item.test, [[0.25] * 4] * len(item.test), EMOTIONS), record
    )


def test_trainings_take_as_long_per_utterance_as_those_that_are_done() -> None:
    one = frozen_training()
    longer = replace(one, train=one.train * 3)
    other = replace(one, adapter="lora")
    rates = {(one.encoder, "none"): 0.5}
    assert one.size == 8
    assert estimate([one, longer, other], rates) == Estimate(16.0, known=2, unknown=1)
    assert estimate([one, longer], rates, jobs=4) == Estimate(4.0, known=2, unknown=0)
    assert estimate([], rates) == Estimate()


def test_a_study_that_has_begun_is_estimated_kind_by_kind(tmp_path: Path) -> None:
    assert measured(PLAN, CellResults(tmp_path)) == {}
    everything = pending(PLAN, CellResults(tmp_path))
    assert of_pending(everything, PLAN, CellResults(tmp_path)) == Estimate(0.0, known=0, unknown=8)
    finish(tmp_path, 0, seconds=3.0)
    finish(tmp_path, 1, seconds=5.0)
    ((kind, rate),) = measured(PLAN, CellResults(tmp_path)).items()
    assert kind == ("an encoder", "none")
    assert rate == pytest.approx(4.0 / 16)
    left = of_pending(pending(PLAN, CellResults(tmp_path)), PLAN, CellResults(tmp_path), jobs=2)
    assert left == Estimate(pytest.approx(4.0), known=2, unknown=4)  # type: ignore[arg-type]
