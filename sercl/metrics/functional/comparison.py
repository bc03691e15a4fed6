"""Paired tests: do two systems that labelled the same utterances differ by more than chance?

p-value and interval come from the same test, so they never disagree: p is below 0.05 exactly if the 95 %
interval excludes 0. The test exchanges the predictions of the two systems speaker by speaker. If they are
equally good, it does not matter which of them labelled a speaker, so the difference is compared with those
after exchanging some speakers: all combinations for up to 13 speakers, which is exact, otherwise random ones
(Fisher 1935; Phipson and Smyth 2010 for the p-value of random ones). A difference in UAR is a sum over
speakers, and an exchange changes the sign of a speaker's term. The interval contains all differences that the
same test does not reject when they are subtracted from the speakers' terms in proportion to the speakers'
weights in the score (Hartigan 1969, "Using Subsample Values as Typical Values"; Garthwaite 1996, "Confidence
Intervals from Randomization Tests"). Its ends are differences within subsets of the speakers.

The test assumes that speakers are independent and that their terms are symmetric around the difference; it
needs neither normality nor a standard error. In simulations with 6 to 40 different speakers, a 95 % interval
covers 94 to 97 %, and equal systems get p < 0.05 in 2 to 5 % of the cases. With fewer than 6 speakers p
cannot be below 0.05 for any two systems, and there is no 95 % interval.

McNemar's test and Holm's correction are from statsmodels.
"""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sercl.errors import UsageError
from sercl.metrics.functional.bootstrap import Confusions
from sercl.metrics.functional.intervals import LEVEL

Key = TypeVar("Key")
Floats = NDArray[np.float64]

RESAMPLES = 9999
"""Random exchanges of a permutation test; up to 13 clusters have fewer in all, and the test is exact."""

_NOISE = 1e-12
"""Sums of terms below this count as 0: terms are ratios of counts."""


@dataclass(frozen=True)
class PermutationTest:
    """A paired test of the difference of a score, and the interval of differences that it does not reject.

    Attributes:
        difference: Score of the first system minus that of the second.
        p: Two-sided p-value; NaN if a system has no score.
        low: Lower end of the interval; NaN, like `high`, if there are too few clusters.
        high: Upper end.
        smallest: The smallest possible p-value with this number of clusters.
        exact: Whether all exchanges were counted, rather than a random sample.
        unit: What was exchanged: "speakers" or "utterances".
        count: Their number.
    """

    difference: float
    p: float
    low: float
    high: float
    smallest: float
    exact: bool
    unit: str
    count: int


def permutation_test(
    first: Confusions,
    second: Confusions,
    groups: int = 1,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
    unit: str = "speakers",
) -> PermutationTest:
    """Test whether the UAR of two systems differs, exchanging their predictions cluster by cluster.

    Repeats (seeds, draws) are first averaged within a cluster, so that they do not count as additional data.

    Args:
        first: `[clusters, (repeats,) groups * classes, classes]` of one system, rows the truth.
        second: The same for the other system, on the same utterances, with the same clusters in the same
            order.
        groups: Number of test sets whose UAR is averaged; the rows of a set are adjacent.
        level: Coverage of the interval, between 0 and 1.
        resamples: Maximum number of exchanges; all are tried if there are fewer.
        seed: Makes the result repeatable.
        unit: What a cluster is, for the result.

    Raises:
        UsageError: If the systems have different clusters or utterances, or none.
    """
    if len(first) != len(second) or not len(first):
        sizes = f"{len(first)} and {len(second)} {unit}"
        raise UsageError(f"paired test: {sizes}; both systems need the same ones, and at least one.")
    one, two = _right_and_all(first, groups), _right_and_all(second, groups)
    return paired_uar_test(one[0], two[0], one[1], two[1], level, resamples, seed, unit)


def paired_uar_test(
    first: Floats,
    second: Floats,
    totals: Floats,
    other_totals: Floats | None = None,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
    unit: str = "speakers",
) -> PermutationTest:
    """Test whether the UAR of two systems differs, from counts.

    Args:
        first: `[clusters, groups, classes]` number of utterances that one system labels correctly.
        second: The same of the other.
        totals: Their total numbers.
        other_totals: Total numbers for the second, None if they are the same.
        level: As for `permutation_test`.
        resamples: As for `permutation_test`.
        seed: As for `permutation_test`.
        unit: As for `permutation_test`.

    Raises:
        UsageError: If the systems did not label the same utterances.
    """
    if other_totals is not None and not np.allclose(totals, other_totals):
        raise UsageError("paired test: the systems did not label the same utterances of each class.")
    return sign_flip_test(
        _shares(first - second, totals), _shares(totals, totals), level, resamples, seed, unit
    )


def sign_flip_test(
    terms: Floats,
    weights: Floats,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
    unit: str = "speakers",
) -> PermutationTest:
    """Test whether a sum of the terms of clusters differs from 0, by flipping signs; see the module.

    Args:
        terms: `[clusters]` contribution of each to the difference.
        weights: `[clusters]` contribution of each if the difference were 1 everywhere; they sum to 1.
        level: As for `permutation_test`.
        resamples: As for `permutation_test`.
        seed: As for `permutation_test`.
        unit: As for `permutation_test`.

    Raises:
        UsageError: For a level outside 0 to 1, or fewer than 1 resample.
    """
    if not 0 < level < 1 or resamples < 1:
        raise UsageError(f"paired test: level {level}, {resamples} resamples; valid: 0 < level < 1, from 1.")
    count, difference = len(terms), float(terms.sum())
    exact = count < resamples.bit_length()  # 2**count would overflow for a thousand utterances
    smallest = min(1.0, max(2.0 ** (1 - count), 1 / (resamples + 1)))
    if np.isnan(difference):
        nan = float("nan")
        return PermutationTest(nan, nan, nan, nan, smallest, exact, unit, count)
    difference = 0.0 if abs(difference) < _NOISE else difference
    means = _subset_means(terms, weights, exact, resamples, seed)
    pairs = len(means) // 2 + 1  # including the exchanges of none and of all
    low, high = _ends(means, (1 - level) * pairs)
    return PermutationTest(
        difference, _p_value(difference, means, pairs), low, high, smallest, exact, unit, count
    )


def _p_value(difference: float, means: Floats, pairs: int) -> float:
    if difference == 0:
        return 1.0
    beyond = np.sum(means <= 0 if difference > 0 else means >= 0)
    return min(1.0, float((1 + beyond) / pairs))


def _ends(means: Floats, rejected: float) -> tuple[float, float]:
    """Return the smallest and the largest difference that at least `rejected` exchanges exceed."""
    index = int(np.ceil(rejected - 1e-9)) - 1
    if index < 1:
        return float("nan"), float("nan")
    ordered = np.sort(means)
    return max(float(ordered[index - 1]), -1.0), min(float(ordered[-index]), 1.0)


def _subset_means(terms: Floats, weights: Floats, exact: bool, resamples: int, seed: int) -> Floats:
    """Return the difference within each exchanged subset of clusters, and within its complement.

    An exchange exceeds a difference of the whole if the difference within its subset does. Exchanging none or
    all always does: they are represented by -inf and inf.
    """
    values = np.stack([terms, weights, np.ones(len(terms))], axis=1)
    sums, sizes, counts = _subset_sums(values, exact, resamples, seed).T
    sums, sizes = (
        np.stack([own, whole - own]) for own, whole in ((sums, terms.sum()), (sizes, weights.sum()))
    )
    proper = (counts > 0) & (counts < len(terms))
    means = np.where(np.abs(sums) < _NOISE, 0.0, sums) / np.where(proper, sizes, 1.0)
    return np.where(proper, means, [[-np.inf], [np.inf]]).reshape(-1)


def _subset_sums(values: Floats, exact: bool, resamples: int, seed: int) -> Floats:
    """Return the sums of `values` `[clusters, columns]` in subsets of clusters, `[subsets, columns]`.

    All subsets if exact, but only one of two complements; otherwise random ones.
    """
    count = len(values)
    if exact:
        numbers = np.arange(1, 2 ** (count - 1))  # subsets without the last cluster
        return np.asarray((numbers[:, None] >> np.arange(count) & 1) @ values)
    # Equal clusters are interchangeable, so drawing counts of equal ones is equivalent, and cheap for
    # utterances.
    kinds, sizes = np.unique(values, axis=0, return_counts=True)
    chosen = np.random.default_rng(seed).binomial(sizes, 0.5, size=(resamples, len(kinds)))
    return np.asarray(chosen.astype(np.float64) @ kinds)


def _shares(counts: Floats, totals: Floats) -> Floats:
    """Return each cluster's contribution, `[clusters]`, to the mean over groups of the mean over classes."""
    whole = totals.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.where(whole > 0, counts / whole, np.nan)
    classes = (whole > 0).sum(axis=-1)
    known = classes > 0
    if not known.any():
        return np.full(len(counts), np.nan)
    return np.asarray((np.nansum(ratios, axis=-1)[:, known] / classes[known]).mean(axis=-1))


def _right_and_all(confusions: Confusions, groups: int) -> tuple[Floats, Floats]:
    """Return counts of correct and of all utterances, `[clusters, groups, classes]`; repeats averaged."""
    mean = confusions.mean(axis=1) if confusions.ndim == 4 else confusions.astype(np.float64)
    classes = mean.shape[-1]
    apart = mean.reshape(len(mean), groups, classes, classes)
    return np.diagonal(apart, axis1=-2, axis2=-1), apart.sum(axis=-1)


def mcnemar(first_right: Sequence[bool], second_right: Sequence[bool]) -> float:
    """Return the exact two-sided p-value of McNemar's test that two systems are right equally often.

    It treats utterances as independent, so it suits one run of each system on utterances with unknown
    speakers; otherwise use `permutation_test` over speakers.

    Args:
        first_right: `[n]` whether the first system was correct.
        second_right: The same for the second, on the same utterances.
    """
    from statsmodels.stats.contingency_tables import mcnemar as of_statsmodels  # trainings need none of it

    one, two = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    table = [[np.sum(one & two), np.sum(one & ~two)], [np.sum(~one & two), np.sum(~one & ~two)]]
    return float(of_statsmodels(table, exact=True).pvalue)


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Return p-values corrected for their number after Holm (1979); NaN stays NaN and does not count.

    Args:
        p_values: Test -> p-value, for the whole family that a reader is shown.
    """
    from statsmodels.stats.multitest import multipletests

    known = {key: p for key, p in p_values.items() if not np.isnan(p)}
    if not known:
        return dict(p_values)
    # multipletests runs the garbage collector at every call, which takes a second in a large process.
    gc.freeze()
    try:
        corrected = multipletests(list(known.values()), method="holm")[1].tolist()
    finally:
        gc.unfreeze()
    return dict(p_values) | dict(zip(known, corrected, strict=True))
