"""Which utterances are resampled together: those of a speaker, if speakers are known."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

MIN_SPEAKERS = 5
"""With fewer speakers than this, utterances are resampled, or swapped in a test, instead."""


def resampling_units(speakers: Sequence[str | None]) -> tuple[Sequence[str] | Sequence[int], str]:
    """Return the cluster of each utterance, and the kind of clusters: "speakers" or "utterances"."""
    if can_cluster(speakers):
        return [str(name) for name in speakers], "speakers"
    return range(len(speakers)), "utterances"


def can_cluster(speakers: Sequence[str | None]) -> bool:
    """Return whether every utterance has a speaker and there are at least `MIN_SPEAKERS` of them."""
    names = set(speakers)
    return None not in names and len(names) >= MIN_SPEAKERS


def numbered(names: Iterable[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Return the index of each name among the different ones, `[n]`, and these in order of appearance."""
    place: dict[str, int] = {}
    indices = [place.setdefault(name, len(place)) for name in names]
    return np.array(indices, dtype=np.int64), list(place)


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
    """Return what `hits_uar` needs of each cluster: for many classes far less than a confusion matrix.

    Args:
        truth: `[n]` class indices.
        predicted: `[repeats, n]` class indices: predictions of several classifiers for the same utterances.
        clusters: `n` names of clusters.
        num_classes: Number of classes.

    Returns:
        `[clusters, repeats, num_classes, 2]`: how many utterances of a class were classified correctly, and
        their number.
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
