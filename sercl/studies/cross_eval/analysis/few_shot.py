"""How much labelled speech of the target is needed: curves over the number of utterances per emotion."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sercl.studies.cross_eval.analysis.comparisons import monolingual_of
from sercl.studies.cross_eval.analysis.scores import ConditionScores
from sercl.studies.cross_eval.cells import TARGET_ONLY, Condition, Study
from sercl.studies.results.paired import contrast, count_votes
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.scores import Score

ENOUGH = 0.8
"""Fraction of the gap between zero-shot and monolingual from which few-shot data count as enough."""


@dataclass(frozen=True)
class Curve:
    """Scores of one encoder, adapter and direction (source and target) over the number of shots.

    Attributes:
        condition: What the points have in common; its `shots` is None.
        points: Shots -> scores, ascending; 0 shots from the zero-shot condition where it was not run itself.
        ceiling: The monolingual condition of the target; None where there is none.
        alone: Shots -> scores of training on the same few utterances without the source, where run.
        beyond: Shots -> how far UAR lies above `ENOUGH` of the gap, with its interval; empty without a gap.
    """

    condition: Condition
    points: Mapping[int, ConditionScores]
    ceiling: ConditionScores | None
    alone: Mapping[int, ConditionScores] = field(default_factory=dict)
    beyond: Mapping[int, Score] = field(default_factory=dict)

    def closed(self, shots: int) -> float | None:
        """Return the closed fraction of the gap between 0 shots and monolingual; None without a gap."""
        if 0 not in self.points or self.ceiling is None:
            return None
        floor, gap = self.points[0].uar.value, self.ceiling.uar.value - self.points[0].uar.value
        return (self.points[shots].uar.value - floor) / gap if gap > 0 else None

    def enough(self, share: float = ENOUGH) -> int | None:
        """Return the fewest shots that close at least `share` (0 to 1) of the gap; None if none does."""
        closed = {shots: self.closed(shots) for shots in self.points}
        return next((shots for shots, part in closed.items() if part is not None and part >= share), None)

    @property
    def enough_interval(self) -> tuple[int | None, int | None] | None:
        """The 95 % interval of `enough()`: the fewest shots that may be enough, and that certainly are.

        A number of shots may be enough unless the interval of `beyond` is below 0, and certainly is if it is
        above. None in place of a number means more than was tried; None alone, that there is no interval.
        """
        if not self.beyond or any(score.low != score.low for score in self.beyond.values()):
            return None
        low = next((shots for shots, score in self.beyond.items() if score.high >= 0), None)
        return low, next((shots for shots, score in self.beyond.items() if score.low > 0), None)


def few_shot_curves(
    scores: Mapping[Condition, ConditionScores], study: Study, predictions: Mapping[Condition, Predictions]
) -> tuple[Curve, ...]:
    """Return every few-shot curve of a study, in the order of its grid.

    Args:
        scores: From `score_conditions`.
        study: The study.
        predictions: What the scores are made from.
    """
    points: dict[Condition, dict[int, ConditionScores]] = {}
    for condition, own in scores.items():
        if condition.setting == "few-shot" and condition.shots is not None:
            points.setdefault(replace(condition, shots=None), {})[condition.shots] = own
    return tuple(_curve(condition, own, scores, study, predictions) for condition, own in points.items())


def _curve(
    condition: Condition,
    points: dict[int, ConditionScores],
    scores: Mapping[Condition, ConditionScores],
    study: Study,
    predictions: Mapping[Condition, Predictions],
) -> Curve:
    start = scores.get(replace(condition, setting="zero-shot"))
    if start is not None:
        points = {0: start, **points}
    reference = monolingual_of(condition, scores, study)
    alone = replace(condition, setting=TARGET_ONLY, adaptation="none")
    baseline = {shots: scores.get(replace(alone, shots=shots)) for shots in sorted(points)}
    curve = Curve(
        condition=condition,
        points=dict(sorted(points.items())),
        ceiling=scores[reference] if reference else None,
        alone={shots: own for shots, own in baseline.items() if own is not None},
    )
    return replace(curve, beyond=_beyond(curve, predictions))


def _beyond(curve: Curve, predictions: Mapping[Condition, Predictions]) -> dict[int, Score]:
    """Return how far each point lies above `ENOUGH` of the gap: a weighted sum of three UARs."""
    if curve.ceiling is None or curve.closed(0) is None:
        return {}
    floor, ceiling = (count_votes(predictions[own.condition]) for own in (curve.points[0], curve.ceiling))
    weights = (1.0, ENOUGH - 1, -ENOUGH)
    return {
        shots: contrast([count_votes(predictions[own.condition]), floor, ceiling], weights)
        for shots, own in curve.points.items()
    }
