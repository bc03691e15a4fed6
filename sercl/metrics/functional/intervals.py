"""Confidence intervals over speakers where that can be done, else over utterances; see `bootstrap`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sercl.errors import UsageError
from sercl.metrics.functional.bootstrap import Interval, Statistic, bootstrap_interval
from sercl.metrics.functional.classification import uar

MIN_SPEAKERS = 5
"""With fewer speakers than this, utterances are resampled, or swapped in a test, instead."""


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
    clusters, unit = resampling_units(speakers)
    confusions = cluster_confusions(truth, predicted, clusters, num_classes)
    return bootstrap_interval(confusions, statistic, level, resamples, seed, unit)


def clustered_mean_interval(
    values: Sequence[float] | Tensor,
    speakers: Sequence[str | None],
    weights: Sequence[float] | Tensor | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    bounded: bool = True,
) -> Interval:
    """Return the interval of a mean over utterances (or files), resampling speakers where that can be done.

    Args:
        values: One value per utterance; NaN for one that has none, which then does not count.
        speakers: A speaker name each, None where unknown.
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


def resampling_units(speakers: Sequence[str | None]) -> tuple[Sequence[str] | Sequence[int], str]:
    """Return the cluster of each utterance, and what the clusters are: "speakers" or "utterances"."""
    if can_cluster(speakers):
        return [str(name) for name in speakers], "speakers"
    return range(len(speakers)), "utterances"


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


def cluster_hits(
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
    clusters: Sequence[str] | Sequence[int],
    num_classes: int,
) -> NDArray[np.int64]:
    """Return what `hits_uar` needs of each cluster: of many classes far less than a confusion matrix holds.

    Args:
        truth: `[n]` class indices.
        predicted: `[repeats, n]` class indices: what several classifiers say of the same utterances.
        clusters: `n` names of clusters.
        num_classes: Number of classes.

    Returns:
        `[clusters, repeats, num_classes, 2]`: how many utterances of a class were told right, and how many
        there are.
    """
    _, cluster = np.unique(np.asarray(clusters), return_inverse=True)
    counts = np.zeros((int(cluster.max(initial=-1)) + 1, len(predicted), num_classes, 2), dtype=np.int64)
    for repeat, row in enumerate(predicted):
        np.add.at(counts[:, repeat, :, 0], (cluster, truth), row == truth)
        np.add.at(counts[:, repeat, :, 1], (cluster, truth), 1)
    return counts


def hits_uar(counts: Tensor) -> Tensor:
    """Return the unweighted average recall, `[...]`, of counts `[..., classes, 2]` as of `cluster_hits`."""
    return (counts[..., 0] / counts[..., 1]).nanmean(dim=-1)
