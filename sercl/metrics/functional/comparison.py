"""Paired tests: do two systems that judged the same utterances differ by more than chance?

scipy and statsmodels do the statistics; here the data are brought into their shape.
"""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from sercl.errors import UsageError
from sercl.metrics.functional.bootstrap import Confusions, Statistic
from sercl.metrics.functional.classification import uar

Key = TypeVar("Key")

RESAMPLES = 9999
"""Random swaps of a permutation test; up to 13 clusters all 2^13 swaps are fewer, and the test is exact."""
_BATCH = 2000


@dataclass(frozen=True)
class PermutationTest:
    """A paired test of the difference of a score.

    Attributes:
        difference: Score of the first system minus that of the second.
        p: Two-sided p-value; NaN where a system has no score.
        smallest: The p-value that this number of clusters cannot go below, whatever the systems do.
        exact: Whether every swap was counted rather than a sample of them.
        unit: What was swapped: "speakers" or "utterances".
        count: How many of them there are.
    """

    difference: float
    p: float
    smallest: float
    exact: bool
    unit: str
    count: int


def permutation_test(
    first: Confusions,
    second: Confusions,
    statistic: Statistic = uar,
    resamples: int = RESAMPLES,
    seed: int = 0,
    unit: str = "speakers",
) -> PermutationTest:
    """Test whether a score of two systems differs, swapping the systems' predictions cluster by cluster.

    If the systems are equally good, it does not matter which of them judged a speaker; so the difference is
    compared with those after exchanging all predictions of some speakers. Repeats (seeds, draws) are averaged
    within a cluster before, so that they do not count as more data.

    Args:
        first: `[clusters, (repeats,) classes, classes]` of one system, rows the truth.
        second: The same of the other, with the same clusters in the same order.
        statistic: The score.
        resamples: Most swaps tried; all of them are, where that are fewer.
        seed: Makes the result repeatable.
        unit: What a cluster is, for the result.

    Raises:
        UsageError: If the systems have different numbers of clusters, or none.
    """
    if len(first) != len(second) or not len(first):
        sizes = f"{len(first)} and {len(second)} {unit}"
        raise UsageError(f"paired test: {sizes}; both systems need the same ones, and at least one.")
    one, two = _averaged(first), _averaged(second)
    swapping = _Swapping(one, two, statistic)
    difference = float(swapping.difference(np.zeros(swapping.count)))
    return PermutationTest(
        difference=difference,
        p=float("nan") if np.isnan(difference) else _p_value(swapping, resamples, seed),
        smallest=min(1.0, max(2.0 ** (1 - len(one)), 2 / (resamples + 1))),
        exact=2.0**swapping.count <= resamples,
        unit=unit,
        count=len(one),
    )


def mcnemar(first_right: Sequence[bool], second_right: Sequence[bool]) -> float:
    """Return the exact two-sided p-value of McNemar's test that two systems are right equally often.

    Every utterance counts as independent of the others, so this fits one run of each system on utterances
    whose speakers are unknown; otherwise `permutation_test` over speakers is the honest one.

    Args:
        first_right: `n` times whether the first system was right.
        second_right: The same of the second, of the same utterances.
    """
    one, two = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    table = [[np.sum(one & two), np.sum(one & ~two)], [np.sum(~one & two), np.sum(~one & ~two)]]
    return float(statsmodels_mcnemar(table, exact=True).pvalue)


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Return p-values corrected for their number after Holm (1979); NaN stays NaN and does not count.

    Args:
        p_values: What is tested -> p-value, the whole family that a reader is shown.
    """
    known = {key: p for key, p in p_values.items() if not np.isnan(p)}
    if not known:
        return dict(p_values)
    # multipletests collects garbage at every call, which takes a second in a process full of objects.
    gc.freeze()
    try:
        corrected = multipletests(list(known.values()), method="holm")[1].tolist()
    finally:
        gc.unfreeze()
    return dict(p_values) | dict(zip(known, corrected, strict=True))


class _Swapping:
    """The difference of a score after exchanging the predictions of some clusters.

    Only clusters that differ take part: exchanging equal ones changes nothing, and there may be thousands.
    """

    def __init__(self, first: NDArray[np.float64], second: NDArray[np.float64], statistic: Statistic) -> None:
        self._totals = first.sum(axis=0), second.sum(axis=0)
        self._moves = (second - first)[(first != second).any(axis=(1, 2))]
        self._statistic = statistic
        self.count = len(self._moves)

    def difference(self, swapped: NDArray[Any]) -> NDArray[np.float64]:
        """Return first minus second; `swapped` `[..., count]` is 1 for an exchanged cluster, else 0."""
        moved = np.tensordot(swapped.astype(np.float64), self._moves, axes=1)
        first, second = (
            torch.from_numpy(total) for total in (self._totals[0] + moved, self._totals[1] - moved)
        )
        return np.asarray(self._statistic(first) - self._statistic(second))


def _p_value(swapping: _Swapping, resamples: int, seed: int) -> float:
    count = swapping.count
    if count < 2:  # scipy needs two; a single swap only turns the sign of the difference
        return 1.0

    def statistic(place: NDArray[np.int64], _: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
        # scipy exchanges the numbers k and count + k; where the larger one comes first, k has been swapped.
        return swapping.difference(place >= count)

    result = stats.permutation_test(
        (np.arange(count), np.arange(count, 2 * count)),
        statistic,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=_BATCH,
        axis=-1,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def _averaged(confusions: Confusions) -> NDArray[np.float64]:
    """Return `[clusters, classes, classes]`, the mean over repeats."""
    return confusions.mean(axis=1) if confusions.ndim == 4 else confusions.astype(np.float64)
