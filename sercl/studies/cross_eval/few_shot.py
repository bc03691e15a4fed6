"""How much labelled speech of the target is needed: curves over the number of utterances per emotion."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sercl.studies.cross_eval.cells import Condition, Study
from sercl.studies.cross_eval.comparisons import monolingual_of
from sercl.studies.cross_eval.scores import ConditionScores


@dataclass(frozen=True)
class Curve:
    """Scores of one encoder, adapter and pair of corpora over the number of shots.

    Attributes:
        condition: What the points have in common; its `shots` is None.
        points: Shots -> scores, ascending; 0 shots from the zero-shot condition where it was not run itself.
        ceiling: The monolingual condition of the target; None where there is none.
    """

    condition: Condition
    points: Mapping[int, ConditionScores]
    ceiling: ConditionScores | None

    def closed(self, shots: int) -> float | None:
        """Return the share of the gap between 0 shots and monolingual that is closed; None without a gap."""
        if 0 not in self.points or self.ceiling is None:
            return None
        floor, gap = self.points[0].uar.value, self.ceiling.uar.value - self.points[0].uar.value
        return (self.points[shots].uar.value - floor) / gap if gap > 0 else None

    def enough(self, share: float) -> int | None:
        """Return the fewest shots that close at least `share` (0 to 1) of the gap; None if none does."""
        closed = {shots: self.closed(shots) for shots in self.points}
        return next((shots for shots, part in closed.items() if part is not None and part >= share), None)


def few_shot_curves(scores: Mapping[Condition, ConditionScores], study: Study) -> tuple[Curve, ...]:
    """Return every few-shot curve of a study, in the order of its grid.

    Args:
        scores: What `score_conditions` gave.
        study: The study.
    """
    points: dict[Condition, dict[int, ConditionScores]] = {}
    for condition, own in scores.items():
        if condition.setting == "few-shot" and condition.shots is not None:
            points.setdefault(replace(condition, shots=None), {})[condition.shots] = own
    return tuple(_curve(condition, own, scores, study) for condition, own in points.items())


def _curve(
    condition: Condition,
    points: dict[int, ConditionScores],
    scores: Mapping[Condition, ConditionScores],
    study: Study,
) -> Curve:
    start = scores.get(replace(condition, setting="zero-shot"))
    if start is not None:
        points = {0: start, **points}
    reference = monolingual_of(condition, scores, study)
    return Curve(condition, dict(sorted(points.items())), scores[reference] if reference else None)
