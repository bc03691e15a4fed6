from dataclasses import replace
from pathlib import Path

import pytest

from sercl.studies.cross_eval.analysis.comparisons import ENOUGH, Curve, few_shot_curves
from sercl.studies.cross_eval.analysis.scores import ConditionScores, score_conditions
from sercl.studies.cross_eval.cells import Study
from sercl.studies.cross_eval.study_file import read_predictions, read_study
from sercl.studies.results.scores import Score


@pytest.fixture(scope="module")
def scored(folder: Path) -> tuple[Study, dict, dict]:
    study = read_study(folder)
    answers = read_predictions(folder, study)
    return study, score_conditions(answers), answers


def test_a_curve_per_adapter_and_pair(scored) -> None:
    study, scores, answers = scored
    curves = few_shot_curves(scores, study, answers)
    assert len(curves) == 4
    for curve in curves:
        assert list(curve.points) == [0, 4]
        assert curve.condition.shots is None
        assert curve.points[4].condition == replace(curve.condition, shots=4)
        assert curve.ceiling is not None
        assert curve.ceiling.condition.setting == "monolingual"
        assert curve.ceiling.condition.target == curve.condition.target
        assert curve.ceiling.condition.adapter == curve.condition.adapter


def test_zero_shot_is_where_a_curve_begins_unless_it_was_run_itself(scored) -> None:
    study, scores, answers = scored
    without = {condition: own for condition, own in scores.items() if condition.shots != 0}
    curve = few_shot_curves(without, study, answers)[0]
    assert curve.points[0].condition.setting == "zero-shot"
    assert few_shot_curves(scores, study, answers)[0].points[0].condition.setting == "few-shot"
    unstarted = {item: own for item, own in without.items() if item.setting == "few-shot"}
    bare = few_shot_curves(unstarted, study, answers)[0]
    assert (list(bare.points), bare.ceiling, bare.closed(4)) == ([4], None, None)


def at(own: ConditionScores, uar: float) -> ConditionScores:
    return replace(own, averages={**own.averages, "uar": Score(uar, uar, uar, "speakers", 6)})


def test_how_much_of_the_gap_is_closed(scored) -> None:
    study, scores, answers = scored
    curve = few_shot_curves(scores, study, answers)[0]
    own = curve.points[0]
    points = {shots: at(own, uar) for shots, uar in ((0, 0.4), (1, 0.45), (4, 0.6), (16, 0.75))}
    made = Curve(curve.condition, points, at(own, 0.8))
    assert [made.closed(shots) for shots in points] == pytest.approx([0, 0.125, 0.5, 0.875])
    assert (made.enough(0.4), made.enough(0.8), made.enough(0.9)) == (4, 16, None)
    assert Curve(curve.condition, points, at(own, 0.3)).closed(4) is None


def test_the_baseline_stands_beside_the_points(scored) -> None:
    study, scores, answers = scored
    curves = {curve.condition.adapter: curve for curve in few_shot_curves(scores, study, answers)}
    frozen = curves["none"]
    assert list(frozen.alone) == [4]
    assert frozen.alone[4].condition == replace(frozen.points[4].condition, setting="target-only")
    assert all(not curve.alone for adapter, curve in curves.items() if adapter != "none")


def test_how_far_a_point_is_beyond_enough_is_a_weighted_sum_of_scores(scored) -> None:
    study, scores, answers = scored
    for curve in few_shot_curves(scores, study, answers):
        assert curve.ceiling is not None
        for shots, own in curve.points.items():
            floor, ceiling = curve.points[0].uar.value, curve.ceiling.uar.value
            expected = own.uar.value - floor - ENOUGH * (ceiling - floor)
            assert curve.beyond[shots].value == pytest.approx(expected)
            assert curve.beyond[shots].low < expected < curve.beyond[shots].high


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ({0: (-0.4, -0.2), 1: (-0.2, 0.1), 4: (-0.1, 0.1), 16: (0.1, 0.2)}, (1, 16)),
        ({0: (-0.4, -0.2), 1: (-0.2, 0.1), 4: (-0.1, 0.1)}, (1, None)),
        ({0: (-0.4, -0.2), 1: (-0.2, -0.1)}, (None, None)),
        ({0: (float("nan"), float("nan")), 1: (-0.2, -0.1)}, None),
        ({}, None),
    ],
)
def test_enough_has_an_interval(scored, ends, expected) -> None:
    study, scores, answers = scored
    curve = few_shot_curves(scores, study, answers)[0]
    beyond = {shots: Score(0.0, low, high, "speakers", 6) for shots, (low, high) in ends.items()}
    assert replace(curve, beyond=beyond).enough_interval == expected
