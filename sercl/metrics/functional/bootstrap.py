"""Resampling confusion matrices of clusters, such as speakers; see `intervals`."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from sercl.threads import one_thread

Statistic = Callable[[Tensor], Tensor]
"""A score of confusion matrices, 0 to 1 or NaN: `[..., classes, classes]` -> `[...]`."""

Confusions = NDArray[np.int64] | NDArray[np.float64]
"""`[clusters, classes, classes]`, or `[clusters, repeats, classes, classes]`; rows the truth."""

_MOST_DRAWS = 8_000_000


def summed(confusions: Confusions) -> Tensor:
    """Return the sum over clusters, `[repeats, classes, classes]` in double precision."""
    return torch.from_numpy(with_repeats(confusions).sum(axis=0)).double()


def mean_score(confusions: Tensor, statistic: Statistic) -> Tensor:
    """Return the mean of a score over repeats, `[..., repeats, classes, classes]` -> `[...]`."""
    return statistic(confusions).nanmean(dim=-1)


def with_repeats(confusions: Confusions) -> Confusions:
    """Return `[clusters, repeats, classes, classes]`, adding a single repeat if that dimension is missing."""
    return confusions if confusions.ndim == 4 else confusions[:, None]


def mean_of_repeats(sums: Tensor, statistic: Statistic) -> Tensor:
    """Return the mean of a score over all dimensions but the first, `[n, ...]` -> `[n]`."""
    return statistic(sums).reshape(len(sums), -1).nanmean(dim=-1)


def clusters_behind(sums: Tensor, statistic: Statistic) -> int:
    """Return the effective number of clusters of a score, which its rarest class limits.

    A score that weights classes equally gives each cluster of a rare class the weight of many: its effective
    number is the number of classes times the clusters of the rarest.

    Args:
        sums: `[clusters, ..., classes, columns]`, or `[clusters, columns]` without classes.
        statistic: The score.
    """
    whole = _having(sums, statistic)
    if sums.ndim == 2:
        return whole
    each = [_having(_only_class(sums, truth), statistic) for truth in range(sums.shape[-2])]
    present = [having for having in each if having]
    return min(whole, len(present) * min(present)) if present else whole


def _having(sums: Tensor, statistic: Statistic) -> int:
    return int((~mean_of_repeats(sums, statistic).isnan()).sum())


def _only_class(sums: Tensor, truth: int) -> Tensor:
    only = torch.zeros_like(sums)
    only[..., truth, :] = sums[..., truth, :]
    return only


def resampled(confusions: Confusions, resamples: int, seed: int) -> Tensor:
    """Return sums over clusters drawn with replacement, the same number as given.

    Args:
        confusions: The clusters.
        resamples: Number of draws.
        seed: Makes the result repeatable.

    Returns:
        `[resamples, repeats, classes, classes]`.
    """
    return torch.cat(list(_in_parts(with_repeats(confusions), resamples, seed)))


def draw_scores(
    sums: Confusions, statistics: Mapping[str, Statistic], resamples: int, seed: int
) -> dict[str, Tensor]:
    """Return name -> `[resamples]` scores of sums `[clusters, ...]` of drawn clusters, in bounded memory."""
    scores: dict[str, list[Tensor]] = {name: [] for name in statistics}
    with one_thread():  # matrices of a few classes
        for part in _in_parts(sums, resamples, seed):
            for name, statistic in statistics.items():
                scores[name].append(mean_of_repeats(part, statistic))
    return {name: torch.cat(parts) for name, parts in scores.items()}


def _in_parts(sums: Confusions, resamples: int, seed: int) -> Iterator[Tensor]:
    # Equal clusters are interchangeable, so drawing counts of distinct clusters is equivalent, and cheap for
    # utterances.
    kinds, sizes = np.unique(sums.reshape(len(sums), -1), axis=0, return_counts=True)
    for draws in _draws(tuple(sizes.tolist()), resamples, seed):
        # Draws are adjacent in memory: scores add up a few classes, which is slow where these are adjacent.
        totals = np.ascontiguousarray((draws @ kinds).T)
        yield torch.from_numpy(totals.reshape(*sums.shape[1:], len(draws))).movedim(-1, 0)


def _draws(sizes: tuple[int, ...], resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield how often each distinct cluster is drawn, `[resamples, kinds]`, in parts."""
    at_once = max(1, _MOST_DRAWS // len(sizes))
    if at_once >= resamples:
        yield _all_draws(sizes, resamples, seed)
        return
    generator = np.random.default_rng(seed)
    for first in range(0, resamples, at_once):
        yield _drawn(generator, sizes, min(at_once, resamples - first))


@lru_cache(maxsize=4)
def _all_draws(sizes: tuple[int, ...], resamples: int, seed: int) -> NDArray[np.float64]:
    """Return all draws; thousands of systems that were tested on the same speakers have the same."""
    return _drawn(np.random.default_rng(seed), sizes, resamples)


def _drawn(generator: np.random.Generator, sizes: tuple[int, ...], resamples: int) -> NDArray[np.float64]:
    count = sum(sizes)
    return generator.multinomial(count, np.array(sizes) / count, size=resamples).astype(np.float64)


def half_width(draws: Tensor, level: float, count: int, groups: int = 1) -> float:
    """Return the half-width of an interval: t standard errors; NaN if no draw has the score.

    Args:
        draws: `[resamples]` bootstrap scores.
        level: Coverage, between 0 and 1.
        count: Number of clusters.
        groups: Number of groups that were resampled separately.
    """
    known = draws[~draws.isnan()].numpy()
    if not known.size:
        return float("nan")
    error = known.std() * np.sqrt(count / (count - groups))
    return float(stats.t.ppf((1 + level) / 2, count - groups) * error)
