"""Bootstrap confidence intervals of scores, resampling speakers rather than utterances if possible.

Errors on utterances of the same speaker are correlated, so an interval over utterances is too narrow. The
interval is the score plus and minus t standard errors on the log-odds scale, which keeps scores near 100 % in
range: the standard error is that of the bootstrap, corrected by n / (n - 1), and t has n - 1 degrees of
freedom for n clusters (Hesterberg 2015, "What Teachers Should Know About the Bootstrap"). In simulations with
5, 10 and 40 different speakers, a 95 % interval covers 92 to 97 %; a percentile interval, even a widened one,
covers as little as 85 % with 5, since it never leaves the range of the speakers drawn.

A score of exactly 0 or 1 has no variance to resample. Its interval is that of Clopper and Pearson (1934) for
a proportion of its effective number of clusters (`clusters_behind`), as if all utterances of a speaker failed
together: the correlation cannot be estimated without errors, and this is the widest case.

Several runs on the same utterances (seeds, draws of training data) are not additional utterances: a cluster
is drawn with its confusion matrices of all repeats, and the score is the mean over repeats.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import special, stats
from torch import Tensor

from sercl.errors import UsageError
from sercl.metrics.functional.bootstrap import (
    Confusions,
    Statistic,
    clusters_behind,
    draw_scores,
    half_width,
    mean_of_repeats,
)
from sercl.metrics.functional.classification import uar
from sercl.metrics.functional.clusters import cluster_confusions, resampling_units

SIGNIFICANT = 0.05
"""A difference is called significant if its p-value, corrected for its family, is below this."""

LEVEL = 1 - SIGNIFICANT
"""Coverage of intervals."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a score.

    Attributes:
        low: Lower end; NaN, like `high`, if there is only one unit or none has the score.
        high: Upper end.
        unit: What was resampled, "speakers" or "utterances".
        count: Their number.
    """

    low: float
    high: float
    unit: str
    count: int


def clustered_interval(
    truth: Sequence[int] | Tensor,
    predicted: Sequence[int] | Tensor,
    speakers: Sequence[str | None],
    num_classes: int,
    statistic: Statistic = uar,
    level: float = LEVEL,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the interval of a score over speakers, or over utterances if speakers are unknown or few.

    Speakers are resampled if every utterance has one and there are at least `MIN_SPEAKERS`; the `unit` of the
    result says what was resampled.

    Args:
        truth: `n` class indices.
        predicted: `n` class indices.
        speakers: `n` speaker names, None where unknown.
        num_classes: Number of classes.
        statistic: The score.
        level: Coverage, between 0 and 1.
        resamples: Number of bootstrap samples.
        seed: Makes the result repeatable.

    Raises:
        UsageError: For a level outside 0 to 1, fewer than 1 resample, or inputs of different lengths.
    """
    if not len(truth) == len(predicted) == len(speakers):
        sizes = f"{len(truth)} truths, {len(predicted)} predictions, {len(speakers)} speakers"
        raise UsageError(f"interval: {sizes}; one of each is needed per utterance.")
    clusters, unit = resampling_units(speakers)
    confusions = cluster_confusions(truth, predicted, clusters, num_classes)
    return bootstrap_interval(confusions, statistic, level, resamples, seed, unit)


def clustered_mean_interval(
    values: Sequence[float] | Tensor,
    speakers: Sequence[str | None],
    weights: Sequence[float] | Tensor | None = None,
    level: float = LEVEL,
    resamples: int = 2000,
    seed: int = 0,
    bounded: bool = True,
) -> Interval:
    """Return the interval of a mean over utterances (or files), resampling speakers if possible.

    Args:
        values: One value per utterance; NaN values are ignored.
        speakers: Speaker of each, None where unknown.
        weights: The weight of each in the mean, such as its duration in s; None for equal ones.
        level: Coverage, between 0 and 1.
        resamples: Number of bootstrap samples.
        seed: Makes the result repeatable.
        bounded: As for `bootstrap_intervals`.

    Raises:
        UsageError: As `clustered_interval`.
    """
    weights = [1.0] * len(values) if weights is None else weights
    if not len(values) == len(weights) == len(speakers):
        sizes = f"{len(values)} values, {len(weights)} weights, {len(speakers)} speakers"
        raise UsageError(f"interval: {sizes}; one of each is needed per utterance.")
    clusters, unit = resampling_units(speakers)
    _, cluster = np.unique(np.asarray(clusters), return_inverse=True)
    each, share = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    known = ~np.isnan(each)
    sums = np.zeros((int(cluster.max(initial=-1)) + 1, 2))
    np.add.at(sums, cluster[known], np.stack([each * share, share], axis=1)[known])
    return bootstrap_interval(sums, _mean_of_sums, level, resamples, seed, unit, bounded)


def _mean_of_sums(sums: Tensor) -> Tensor:
    return sums[..., 0] / sums[..., 1]


def bootstrap_interval(
    sums: Confusions,
    statistic: Statistic = uar,
    level: float = LEVEL,
    resamples: int = 2000,
    seed: int = 0,
    unit: str = "speakers",
    bounded: bool = True,
) -> Interval:
    """Return the interval of one score; see `bootstrap_intervals`."""
    statistics = {"score": statistic}
    return bootstrap_intervals(sums, statistics, level, resamples, seed, unit, bounded)["score"]


def bootstrap_intervals(
    sums: Confusions,
    statistics: Mapping[str, Statistic],
    level: float = LEVEL,
    resamples: int = 2000,
    seed: int = 0,
    unit: str = "speakers",
    bounded: bool = True,
) -> dict[str, Interval]:
    """Return the intervals of several scores of sums over clusters, from the same resampled clusters.

    Args:
        sums: `[clusters, (repeats,) classes, classes]` confusion matrices, the score being the mean over
            repeats; or other counts and sums, if the statistic takes them.
        statistics: Name -> score.
        level: Coverage, between 0 and 1.
        resamples: Number of bootstrap samples.
        seed: Makes the result repeatable.
        unit: What a cluster is, for the result.
        bounded: Whether the scores lie between 0 and 1; if not, intervals are symmetric. Bounded scores of
            exactly 0 or 1 get the exact binomial interval.

    Raises:
        UsageError: For a level outside 0 to 1, or fewer than 1 resample.
    """
    if not 0 < level < 1 or resamples < 1:
        raise UsageError(f"interval: level {level}, {resamples} resamples; valid: 0 < level < 1 and >= 1.")
    count = len(sums)
    if count < 2:
        return {name: Interval(float("nan"), float("nan"), unit, count) for name in statistics}
    scores = draw_scores(sums, statistics, resamples, seed)
    whole = torch.from_numpy(sums.sum(axis=0, keepdims=True)).double()
    ends = _log_odds_ends if bounded else _symmetric_ends
    intervals = {}
    for name, statistic in statistics.items():
        value = float(mean_of_repeats(whole, statistic))
        if bounded and value in (0.0, 1.0):
            found = _exact_ends(value, clusters_behind(torch.from_numpy(sums).double(), statistic), level)
        else:
            found = ends(value, half_width(scores[name], level, count))
        intervals[name] = Interval(*found, unit, count)
    return intervals


def _symmetric_ends(value: float, half: float) -> tuple[float, float]:
    return value - half, value + half


def _log_odds_ends(value: float, half: float) -> tuple[float, float]:
    """Return the ends of `value` +- `half` on the log-odds scale; NaN for 0 and 1."""
    if np.isnan(value) or half == 0 or not 0 < value < 1:
        return (value, value) if not np.isnan(half) else (half, half)
    centre, width = np.log(value / (1 - value)), half / (value * (1 - value))
    low, high = special.expit([centre - width, centre + width])
    return float(low), float(high)


def _exact_ends(value: float, clusters: int, level: float) -> tuple[float, float]:
    """Return the ends of the binomial interval; NaN where no cluster has the score by itself."""
    if not clusters:
        return float("nan"), float("nan")
    exact = stats.binomtest(round(value) * clusters, clusters).proportion_ci(level, method="exact")
    return float(exact.low), float(exact.high)
