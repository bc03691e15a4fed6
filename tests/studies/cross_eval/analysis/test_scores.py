from pathlib import Path

import numpy as np
import pytest

from sercl.studies.cross_eval.analysis.scores import score_condition, score_conditions
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.cross_eval.study_file import read_predictions, read_study
from sercl.studies.results.predictions import predicts_one_class
from sercl.testing.studies import Grid, fake_study
from tests.studies.samples import predictions


def test_scores_say_what_they_stand_on(folder: Path) -> None:
    study = read_study(folder)
    scores = score_conditions(read_predictions(folder, study))
    assert tuple(scores) == study.conditions
    for condition, own in scores.items():
        assert own.condition == condition
        assert (own.speakers, own.folds, own.utterances) == (6, (0, 1), 96)
        assert own.runs == (((0, 1), (1, 1)) if condition.shots else ((0, 1), (0, 2))[: len(own.runs)])
        assert own.uar.value == pytest.approx(np.mean(own.run_uar))
        assert own.wa.value == pytest.approx(np.mean(own.fold_wa))  # folds of one size
        assert own.uar.low <= own.uar.value <= own.uar.high
        assert own.support == (24,) * 4
        shares = np.array(own.confusion) / np.sum(own.confusion, axis=1, keepdims=True)
        assert [score.value for score in own.recalls] == pytest.approx(np.diag(shares).tolist())
        assert 0 <= own.ece <= 1


def test_a_failed_cell_costs_its_repeat(tmp_path: Path, grid: Grid) -> None:
    study = fake_study(tmp_path, grid, failed=1)
    failed = next(record.cell for record in study.records if record.status == "failed")
    everything = read_predictions(tmp_path, study)[failed.condition]
    assert len(everything.runs) == 2
    own = score_condition(failed.condition, everything.complete())
    assert failed.run not in own.runs
    assert (len(own.runs), own.utterances) == (1, 160)


def test_calibration_is_averaged_over_repeats() -> None:
    item = predictions(
        [0, 1, 2, 3], [0, 1, 2, 3], [0, 0, 0, 0]
    )  # certain: right always, and one time in four
    own = score_condition(Condition("w", "none", "monolingual", "A", "A"), item)
    assert own.ece == pytest.approx((0 + 0.75) / 2)
    assert own.speakers is None


@pytest.mark.parametrize(
    ("truth", "predicted", "expected"),
    [
        ([0, 1], [1, 1], True),
        ([0, 1], [0, 1], False),
        ([1, 1], [1, 1], False),
        ([1], [0], False),
        ([], [], False),
    ],
)
def test_one_class_is_a_guess_only_where_the_truth_has_several(
    truth: list[int], predicted: list[int], expected: bool
) -> None:
    assert predicts_one_class(truth, predicted) is expected


def test_cells_that_predict_one_class_are_counted() -> None:
    own = score_condition(
        Condition("w", "none", "zero-shot", "A", "B"),
        predictions([0, 1, 2, 3], [2, 2, 2, 2], [1, 1, 1, 1]),
    )
    assert (own.cells, own.one_class, own.is_guess, own.only_class) == (2, 2, True, None)
    own = score_condition(
        Condition("w", "none", "zero-shot", "A", "B"),
        predictions([0, 1, 2, 3], [2, 2, 2, 2], [1, 1, 1, 0]),
    )
    assert (own.cells, own.one_class, own.is_guess, own.only_class) == (2, 1, False, None)
