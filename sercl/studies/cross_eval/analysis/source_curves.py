"""Scores over the number of corpora that were trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb

from sercl.data.settings import TWO_STAGE, ZERO_SHOT
from sercl.metrics.functional.bootstrap import mean_score, summed
from sercl.metrics.functional.classification import uar
from sercl.metrics.functional.intervals import bootstrap_interval
from sercl.studies.cross_eval.analysis.comparisons import monolingual_of
from sercl.studies.cross_eval.analysis.scores import ConditionScores
from sercl.studies.cross_eval.analysis.sources import Scores, Sources
from sercl.studies.cross_eval.cells import FEW_SHOT, Condition, Study
from sercl.studies.results.predictions import Predictions, as_repeats
from sercl.studies.results.scores import Score


@dataclass(frozen=True)
class SourcePoint:
    """Scores of sources of one size.

    Attributes:
        uar: Mean UAR of the sources, with the interval of that mean over speakers.
        sources: Number of sources.
        lowest: UAR of the worst of them.
        highest: UAR of the best.
    """

    uar: Score
    sources: int
    lowest: float
    highest: float


@dataclass(frozen=True)
class SourceCurve:
    """Scores on one target over the number of corpora that were trained on.

    Attributes:
        condition: What the points have in common; its source is "".
        points: Number of corpora -> scores of all sources of that size, ascending.
        ceiling: The monolingual condition of the target; None where there is none.
    """

    condition: Condition
    points: Mapping[int, SourcePoint]
    ceiling: ConditionScores | None


def source_curves(
    scores: Scores, study: Study, predictions: Mapping[Condition, Predictions]
) -> tuple[SourceCurve, ...]:
    """Return the curves of a study, those of one kind target by target; each has at least two sizes.

    A size is left out if only one of several possible unions was trained: it cannot stand for the others.

    Args:
        scores: From `score_conditions`.
        study: The study.
        predictions: What the scores are made from.
    """
    sources = Sources(study)
    curves = []
    for common, sizes in _by_size(scores, study, sources).items():
        possible = len(sources.others(common.target))
        kept = {size: own for size, own in sorted(sizes.items()) if len(own) > 1 or comb(possible, size) == 1}
        if len(kept) > 1:
            reference = monolingual_of(common, scores, study)
            points = {size: _point(own, scores, predictions) for size, own in kept.items()}
            curves.append(SourceCurve(common, points, scores[reference] if reference else None))
    return tuple(curves)


def _by_size(scores: Scores, study: Study, sources: Sources) -> dict[Condition, dict[int, list[Condition]]]:
    """Return conditions by what they have in common and their number of corpora, target by target."""
    groups: dict[Condition, dict[int, list[Condition]]] = {}
    for condition in scores:
        if condition.setting in (ZERO_SHOT, TWO_STAGE, FEW_SHOT):
            sizes = groups.setdefault(replace(condition, source=""), {})
            sizes.setdefault(len(sources.corpora_of(condition)), []).append(condition)
    kinds = dict.fromkeys(replace(own, target="") for own in groups)
    ordered = (replace(kind, target=target) for kind in kinds for target in study.corpora)
    return {common: groups[common] for common in ordered if common in groups}


def _point(
    conditions: Sequence[Condition], scores: Scores, predictions: Mapping[Condition, Predictions]
) -> SourcePoint:
    values = [scores[own].uar.value for own in conditions]
    mean = (
        scores[conditions[0]].uar if len(conditions) == 1 else _mean([predictions[own] for own in conditions])
    )
    return SourcePoint(mean, len(conditions), min(values), max(values))


def _mean(systems: Sequence[Predictions]) -> Score:
    together = as_repeats(systems).complete()
    confusions, unit = together.confusions(), together.unit_name
    interval = bootstrap_interval(confusions, uar, unit=unit)
    return Score(
        float(mean_score(summed(confusions), uar)), interval.low, interval.high, unit, interval.count
    )
