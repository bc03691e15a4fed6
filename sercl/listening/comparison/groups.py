"""Scores of a group of listeners on some of the items."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sercl.errors import UsageError
from sercl.listening.comparison.answers import Answers, Measure, measured, normal_measure
from sercl.metrics.functional.agreement import agreement_error, fleiss_kappa, krippendorff_alpha
from sercl.metrics.functional.classification import recall, uar
from sercl.metrics.functional.crossed import SumStatistic, crossed_estimates
from sercl.metrics.functional.hit_rates import (
    chance_of_unbiased_hits,
    criterion,
    sensitivity,
    unbiased_hit_rate,
)


@dataclass(frozen=True)
class EmotionScores:
    """Scores of one emotion.

    Attributes:
        emotion: Its name.
        recall: Share of its items that were recognised.
        hu: Unbiased hit rate; None, like the following, where wrong answers are not known.
        hu_by_chance: Hu of answers that ignore the items.
        d_prime: Sensitivity.
        criterion: Bias; below 0, the answer is given too readily.
    """

    emotion: str
    recall: Measure
    hu: Measure | None
    hu_by_chance: float | None
    d_prime: Measure | None
    criterion: Measure | None


@dataclass(frozen=True)
class GroupScores:
    """A group on some items.

    Attributes:
        group: Its name.
        language: Of the items; "" for all.
        dialect: Of the items; "" for all.
        listeners: Number of listeners, 0 where single ones are not known.
        items: Number of items.
        answers: Number of answers.
        uar: Unweighted average recall.
        emotions: Scores of each emotion.
        columns: Answers, the columns of the confusion matrix.
        confusion: `[emotions][columns]` answers, rows the truth; None where wrong answers are not known.
        alpha: Krippendorff's alpha; None where wrong answers are not known.
        fleiss: Fleiss' kappa, where all items have equally many answers.
    """

    group: str
    language: str
    dialect: str
    listeners: int
    items: int
    answers: int
    uar: Measure
    emotions: tuple[EmotionScores, ...]
    columns: tuple[str, ...]
    confusion: tuple[tuple[float, ...], ...] | None
    alpha: Measure | None
    fleiss: float | None


def score_group(
    own: Answers, group: str, language: str, dialect: str, resamples: int, seed: int
) -> GroupScores:
    """Return the scores of some answers."""
    shape = len(own.classes), len(own.columns)
    found = crossed_estimates(own.design(), own.cells(), _statistic(*shape), resamples, seed)
    count, only = len(own.classes), own.votes_only
    recalls = [measured(each, votes_only=only) for each in found[1 : count + 1]]
    parts = [found[1 + part * count : 1 + (part + 1) * count] for part in (1, 2, 3)]
    chance = chance_of_unbiased_hits(torch.from_numpy(own.confusion())).tolist()
    is_known = not own.rates_only
    emotions = tuple(
        EmotionScores(
            name,
            recalls[index],
            measured(parts[0][index], votes_only=only) if is_known else None,
            chance[index] if is_known else None,
            measured(parts[1][index], False, only) if is_known else None,
            measured(parts[2][index], False, only) if is_known else None,
        )
        for index, name in enumerate(own.classes)
        if (own.truth == index).any()
    )
    return GroupScores(
        group=group,
        language=language,
        dialect=dialect,
        listeners=own.listeners,
        items=own.items,
        answers=round(float(own.weight.sum())),
        uar=measured(found[0], votes_only=only),
        emotions=emotions,
        columns=own.columns,
        confusion=tuple(map(tuple, own.confusion().tolist())) if is_known else None,
        alpha=_alpha(own) if is_known else None,
        fleiss=_fleiss(own) if is_known else None,
    )


def _statistic(classes: int, columns: int) -> SumStatistic:
    def scores(sums: Tensor) -> Tensor:
        matrix = sums.reshape(*sums.shape[:-1], classes, columns)
        each = (recall, unbiased_hit_rate, sensitivity, criterion)
        return torch.cat([uar(matrix)[..., None], *(score(matrix) for score in each)], dim=-1)

    return scores


def _alpha(own: Answers) -> Measure:
    counts = own.votes()
    value = krippendorff_alpha(counts)
    error = agreement_error(counts, own.by_listener(), krippendorff_alpha, own.item_units)
    return normal_measure(value, error, own.listeners, own.units)


def _fleiss(own: Answers) -> float | None:
    try:
        value = fleiss_kappa(own.votes())
    except UsageError:
        return None
    return None if np.isnan(value) else value
