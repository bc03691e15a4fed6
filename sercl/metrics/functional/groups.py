"""Does a system score differently in two groups of utterances, such as two dialects or genders?

Unlike two systems on the same utterances (`comparison`), two groups usually have different speakers.
Speakers could be permuted between the groups, but that test is valid only if both vary equally; groups of
different sizes and spreads need the test of Welch (1947). Its standard error is that of the stratified
jackknife over speakers (Efron and Stein 1981; Jones 1974): the difference is computed anew without each
speaker, and the variances of the strata add up. Strata are the speakers of the first group only, those of
the second only, and those with utterances in both (two languages of one speaker), whose correlation is
thereby accounted for. The interval is the difference plus and minus t standard errors, with the degrees of
freedom of Welch and Satterthwaite, and p is of the same t: it is below 0.05 exactly if the 95 % interval
excludes 0.

In simulations with 5 to 40 speakers in a group, of equal and unequal sizes and spreads, different or the
same, 95 % intervals cover 92 to 96 %, and equal groups get p < 0.05 in 4 to 8 % of the cases; furthest from
95 and 5 % are 5 speakers against 20 with another spread or near 100 % (`benchmarks/groups.py`).
"""

from dataclasses import dataclass
from math import isnan, nan

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from sercl.metrics.functional.bootstrap import Statistic, mean_score
from sercl.metrics.functional.classification import uar
from sercl.metrics.functional.intervals import LEVEL

_NOISE = 1e-20
"""Variances below this count as 0: what speakers who all score the same leave of rounding."""


Sums = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True)
class GroupTest:
    """The difference of a score between two groups.

    Attributes:
        difference: Score of the first minus that of the second.
        low: Lower end of the interval; NaN, like `high` and `p`, if a group has too few clusters, or they
            do not vary: how much others would is then unknown.
        high: Upper end.
        p: Two-sided p-value.
        shared: Number of speakers (or utterances) with utterances in both groups.
    """

    difference: float
    low: float
    high: float
    p: float
    shared: int


def group_test(first: Sums, second: Sums, statistic: Statistic = uar, level: float = LEVEL) -> GroupTest:
    """Test whether a score differs between two groups, see above.

    Args:
        first: `[clusters, repeats, classes, classes]` confusion matrices of the first group, rows the truth,
            or other sums of what the score is made of; zeros for a cluster without utterances there. The
            score is the mean over repeats.
        second: The same clusters in the second group.
        statistic: The score, `[..., repeats, classes, classes]` -> `[..., repeats]`.
        level: Coverage of the interval, between 0 and 1.
    """
    present = np.stack([own.reshape(len(own), -1).any(axis=1) for own in (first, second)])
    used = present.any(axis=0)
    sides = [torch.from_numpy(own[used]).double() for own in (first, second)]
    whole, without = (_difference(sides, statistic, left_out) for left_out in (False, True))
    difference, shared = float(whole[0]), int(present.all(axis=0).sum())
    error, freedom = _welch(without.numpy(), _strata(present[:, used]))
    if isnan(error):
        return GroupTest(difference, nan, nan, nan, shared)
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    p = float(2 * stats.t.sf(abs(difference) / error, freedom))
    return GroupTest(difference, difference - half, difference + half, p, shared)


def _difference(sides: list[torch.Tensor], statistic: Statistic, left_out: bool) -> torch.Tensor:
    """Return the difference of all clusters, `[1]`, or without each of them, `[clusters]`."""
    totals = (own.sum(dim=0, keepdim=True) - (own if left_out else 0) for own in sides)
    first, second = (mean_score(own, statistic) for own in totals)
    return first - second


def _strata(present: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the stratum of each cluster; one for all if a stratum would have a single cluster."""
    strata = present[0] + 2 * present[1].astype(np.int64)
    _, sizes = np.unique(strata, return_counts=True)
    return np.zeros_like(strata) if (sizes < 2).any() else strata


def _welch(without: NDArray[np.float64], strata: NDArray[np.int64]) -> tuple[float, float]:
    """Return standard error and degrees of freedom of a difference, from those without each cluster."""
    parts = []
    for stratum in np.unique(strata):
        own = without[strata == stratum]
        parts.append((len(own), float((len(own) - 1) * own.var())))
    total = sum(variance for _, variance in parts)
    if isnan(total) or any(size < 2 or variance <= _NOISE for size, variance in parts):
        return nan, nan
    return total**0.5, total**2 / sum(variance**2 / (size - 1) for size, variance in parts)
