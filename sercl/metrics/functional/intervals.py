"""Bootstrap confidence intervals of scores, resampling speakers rather than utterances where it can.

Utterances of one speaker succeed and fail together, so an interval over utterances is too narrow. The
interval is the score plus and minus t standard errors on the scale of log-odds, where a score near 100 % has
room above it: the standard error is that of the bootstrap, corrected by n / (n - 1), and t has n - 1 degrees
of freedom for n clusters (Hesterberg 2015, "What Teachers Should Know About the Bootstrap"). In simulations
with 5, 10 and 40 speakers that differ, a 95 % interval covers 92 to 97 %; a percentile interval, even a
widened one, covers as little as 85 % with 5, since it never leaves the range of the speakers drawn.

Several runs on the same utterances (seeds, draws of training data) are no further utterances: a cluster is
drawn with its confusion matrices of every repeat, and the score is the mean over repeats.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special
from torch import Tensor

from sercl.errors import UsageError
from sercl.metrics.functional.bootstrap import (
    Confusions,
    Statistic,
    half_width,
    mean_score,
    pooled,
    resampled,
    with_repeats,
)
from sercl.metrics.functional.classification import uar

MIN_SPEAKERS = 5
"""With fewer speakers than this, utterances are resampled, or swapped in a test, instead."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a score.

    Attributes:
        low: Lower end; NaN, like `high`, where there is only one unit or none has the score.
        high: Upper end.
        unit: What was resampled, "speakers" or "utterances".
        count: How many of them there are.
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
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return the interval of a score over speakers, or over utterances where that cannot be done.

    Speakers are resampled where every utterance has one and there are at least `MIN_SPEAKERS`; the `unit` of
    the result says what was resampled.

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
    by_speaker = can_cluster(speakers)
    clusters = [str(name) for name in speakers] if by_speaker else range(len(truth))
    confusions = cluster_confusions(truth, predicted, clusters, num_classes)
    unit = "speakers" if by_speaker else "utterances"
    return bootstrap_interval(confusions, statistic, level, resamples, seed, unit)


def can_cluster(speakers: Sequence[str | None]) -> bool:
    """Return whether every utterance has a speaker and there are at least `MIN_SPEAKERS` of them."""
    names = set(speakers)
    return None not in names and len(names) >= MIN_SPEAKERS


def cluster_confusions(
    truth: Sequence[int] | Tensor,
    predicted: Sequence[int] | Tensor,
    clusters: Sequence[str] | Sequence[int],
    num_classes: int,
) -> NDArray[np.int64]:
    """Return one confusion matrix per cluster, `[clusters, num_classes, num_classes]`, rows the truth."""
    _, cluster = np.unique(np.asarray(clusters), return_inverse=True)
    confusions = np.zeros((int(cluster.max(initial=-1)) + 1, num_classes, num_classes), dtype=np.int64)
    np.add.at(confusions, (cluster, np.asarray(truth), np.asarray(predicted)), 1)
    return confusions


def bootstrap_interval(
    confusions: Confusions,
    statistic: Statistic = uar,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    unit: str = "speakers",
) -> Interval:
    """Return the interval of one score; see `bootstrap_intervals`."""
    return bootstrap_intervals(confusions, {"score": statistic}, level, resamples, seed, unit)["score"]


def bootstrap_intervals(
    confusions: Confusions,
    statistics: Mapping[str, Statistic],
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    unit: str = "speakers",
) -> dict[str, Interval]:
    """Return the intervals of scores of the summed confusion matrix, resampling clusters once for all.

    Args:
        confusions: `[clusters, (repeats,) classes, classes]`, rows the truth; the score is the mean over
            repeats.
        statistics: Name -> score.
        level: Coverage, between 0 and 1.
        resamples: Number of bootstrap samples.
        seed: Makes the result repeatable.
        unit: What a cluster is, for the result.

    Raises:
        UsageError: For a level outside 0 to 1, or fewer than 1 resample.
    """
    if not 0 < level < 1 or resamples < 1:
        raise UsageError(f"interval: level {level}, {resamples} resamples; legal are 0 < level < 1 and >= 1.")
    count = len(confusions)
    if count < 2:
        return {name: Interval(float("nan"), float("nan"), unit, count) for name in statistics}
    whole, draws = pooled(confusions), resampled(confusions, resamples, seed)
    ends = {
        name: _log_odds_interval(
            float(mean_score(whole, statistic)), half_width(mean_score(draws, statistic), level, count)
        )
        for name, statistic in statistics.items()
    }
    return {name: Interval(low, high, unit, count) for name, (low, high) in ends.items()}


def difference_interval(
    first: Confusions,
    second: Confusions,
    statistic: Statistic = uar,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    unit: str = "speakers",
    strata: Sequence[int] | NDArray[np.int64] | None = None,
) -> Interval:
    """Return the interval of a difference, first minus second, resampling the clusters of both together.

    Args:
        first: `[clusters, (repeats,) classes, classes]` of one system, rows the truth.
        second: The same of another; its clusters are those of `first` in the same order, its repeats its own.
        statistic: The score.
        level: Coverage, between 0 and 1.
        resamples: Number of bootstrap samples.
        seed: Makes the result repeatable.
        unit: What a cluster is, for the result.
        strata: `[clusters]` the group of each, such as its corpus; groups keep their size in every sample.
    """
    count, groups = len(first), np.zeros(len(first), dtype=int) if strata is None else np.asarray(strata)
    kinds = len(np.unique(groups))
    if count <= kinds:
        return Interval(float("nan"), float("nan"), unit, count)
    value = float(mean_score(pooled(first), statistic) - mean_score(pooled(second), statistic))
    both = np.concatenate([with_repeats(first), with_repeats(second)], axis=1)
    parts = [resampled(both[groups == group], resamples, seed + int(group)) for group in np.unique(groups)]
    draws = torch.stack(parts).sum(dim=0)
    own = with_repeats(first).shape[1]
    differences = mean_score(draws[:, :own], statistic) - mean_score(draws[:, own:], statistic)
    half = half_width(differences, level, count, kinds)
    return Interval(max(value - half, -1.0), min(value + half, 1.0), unit, count)


def _log_odds_interval(value: float, half: float) -> tuple[float, float]:
    """Return the ends of `value` +- `half` on the scale of log-odds; a score of 0 or 1 has no width."""
    if np.isnan(value) or half == 0 or not 0 < value < 1:
        return (value, value) if not np.isnan(half) else (half, half)
    centre, width = np.log(value / (1 - value)), half / (value * (1 - value))
    low, high = special.expit([centre - width, centre + width])
    return float(low), float(high)
