"""Compare two systems on the utterances that both were tested on: difference, interval and paired tests."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sercl.errors import UsageError
from sercl.metrics.functional.clusters import can_cluster, numbered, resampling_units
from sercl.metrics.functional.comparison import (
    PermutationTest,
    holm,
    mcnemar,
    paired_uar_test,
    permutation_test,
)
from sercl.metrics.functional.intervals import SIGNIFICANT
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.scores import Score

if TYPE_CHECKING:
    import pandas as pd

NOISE = 1e-9
"""Counts that differ by no more than this are equal: a mean over three repeats contains thirds."""


@dataclass(frozen=True)
class VoteCounts:
    """Predictions per utterance, averaged over repeats so that these do not count as additional data.

    Attributes:
        index: `[n]` utterance ids.
        truth: `[n]` class indices.
        speaker: `[n]` speakers, None where unknown.
        counts: `[n, classes]` how often each class was predicted, summed over folds that test the utterance
            and averaged over repeats.
    """

    index: "pd.Index[str]"
    truth: NDArray[np.int64]
    speaker: NDArray[np.object_]
    counts: NDArray[np.float64]

    def at(self, indices: NDArray[np.int64]) -> "VoteCounts":
        """Return the entries at some indices, in that order."""
        return VoteCounts(
            self.index[indices], self.truth[indices], self.speaker[indices], self.counts[indices]
        )


@dataclass(frozen=True)
class SharedUtterances:
    """Two systems on the same utterances, each weighted by the lower of their numbers of tests.

    Attributes:
        first: One system.
        second: The other, its utterances in the same order.
        contradicting: Utterances left out because their true class is not the same in both.
    """

    first: VoteCounts
    second: VoteCounts
    contradicting: int

    @property
    def differ(self) -> int:
        """Number of utterances on which the predictions differ (in any repeat)."""
        return int((np.abs(self.first.counts - self.second.counts) > NOISE).any(axis=1).sum())


def count_votes(predictions: Predictions) -> VoteCounts:
    """Count how often each class was predicted for each utterance; see `VoteCounts`."""
    import pandas as pd

    index, names = numbered(predictions.utterance)
    _, first = np.unique(index, return_index=True)
    counts = np.zeros((len(names), len(predictions.classes)))
    np.add.at(counts, (index, predictions.predicted), 1 / len(predictions.runs))
    return VoteCounts(pd.Index(names), predictions.truth[first], predictions.speaker[first], counts)


def shared_utterances(first: VoteCounts, second: VoteCounts) -> SharedUtterances:
    """Restrict two systems to the utterances that both were tested on, with the same true class."""
    (one, two), contradicting = shared_by_all([first, second])
    return SharedUtterances(one, two, contradicting)


def shared_by_all(systems: Sequence[VoteCounts]) -> tuple[list[VoteCounts], int]:
    """Restrict systems to their common utterances, each weighted by its lowest number of tests.

    Returns:
        The systems, and the number of utterances left out because their true classes differ.
    """
    index = systems[0].index
    for other in systems[1:]:
        index = index.intersection(other.index)
    shared = [own.at(own.index.get_indexer(index)) for own in systems]
    alike = np.flatnonzero(np.all([own.truth == shared[0].truth for own in shared], axis=0))
    shared = [own.at(alike) for own in shared]
    least = np.min([own.counts.sum(axis=1) for own in shared], axis=0)
    return [_weighed(own, least) for own in shared], len(index) - len(alike)


def _weighed(votes: VoteCounts, weight: NDArray[np.float64]) -> VoteCounts:
    factor = weight / votes.counts.sum(axis=1)
    return VoteCounts(votes.index, votes.truth, votes.speaker, votes.counts * factor[:, None])


@dataclass(frozen=True)
class Paired:
    """The difference of a score between two systems.

    Attributes:
        utterances: Utterances that both were tested on.
        differ: Those on which the predictions differ (in any repeat).
        contradicting: Utterances that both were tested on, left out because their true classes differ.
        difference: UAR of the first minus that of the second, with the 95 % interval of `test`, which
            excludes 0 exactly where `test.p` is below 0.05; NaN if they share no utterance.
        test: The permutation test; None if they share no utterance.
        mcnemar: p-value of McNemar's test; None unless utterances are the units and each system ran once.
        p_holm: p-value of `test`, corrected for its family of tests. The interval is not corrected.
    """

    utterances: int
    differ: int
    contradicting: int
    difference: Score
    test: PermutationTest | None
    mcnemar: float | None
    p_holm: float = float("nan")

    @property
    def is_significant(self) -> bool:
        """Whether it is significant after Holm's correction; the interval then excludes 0, too."""
        return self.p_holm < SIGNIFICANT


def compare(first: Predictions, second: Predictions) -> Paired:
    """Compare two systems on the utterances that both were tested on.

    Args:
        first: Predictions of one system.
        second: Those of the other, with the same classes; a positive difference means that the first is
            better.

    Raises:
        UsageError: If their classes differ.
    """
    if first.classes != second.classes:
        listed = " and ".join(", ".join(own.classes) for own in (first, second))
        raise UsageError(f"compare: the classes of the two systems differ: {listed}. Give both the same.")
    return compare_pooled([(count_votes(first), count_votes(second))], [""])


def compare_pooled(pairs: Sequence[tuple[VoteCounts, VoteCounts]], corpora: Sequence[str]) -> Paired:
    """Compare two systems on several test sets at once: the mean difference of their UAR.

    A speaker who is tested in several pairs (for example after training on different sources) is one unit:
    all predictions for that speaker are exchanged, or resampled, together.

    Args:
        pairs: (first, second) of each test set; utterances that one of them lacks are left out.
        corpora: The test corpus of each pair; utterance and speaker names are unique within a corpus.
    """
    shared = [shared_utterances(first, second) for first, second in pairs]
    contradicting = sum(pair.contradicting for pair in shared)
    utterances = sum(len(pair.first.index) for pair in shared)
    if not utterances:
        nothing = Score(float("nan"), float("nan"), float("nan"), "utterances", 0)
        return Paired(0, 0, contradicting, nothing, None, None)
    units = _Units(shared, corpora)
    test = permutation_test(units.first, units.second, groups=len(pairs), unit=units.name)
    return Paired(
        utterances=utterances,
        differ=sum(pair.differ for pair in shared),
        contradicting=contradicting,
        difference=Score(test.difference, test.low, test.high, units.name, test.count),
        test=test,
        mcnemar=_mcnemar(shared[0]) if len(pairs) == 1 and units.name == "utterances" else None,
    )


def contrast(systems: Sequence[VoteCounts], weights: Sequence[float]) -> Score:
    """Return a weighted sum of systems' UAR on their common utterances, with its 95 % interval.

    Args:
        systems: The systems, from `count_votes`, on one test set.
        weights: Their weights, which sum to 0.
    """
    shared, _ = shared_by_all(systems)
    truth = shared[0].truth
    if not len(truth):
        return Score(float("nan"), float("nan"), float("nan"), "utterances", 0)
    clusters, unit = resampling_units(shared[0].speaker.tolist())
    _, cluster = np.unique(np.asarray(clusters), return_inverse=True)
    right, totals = np.zeros((2, cluster.max() + 1, 1, shared[0].counts.shape[1]))
    for own, weight in zip(shared, weights, strict=True):
        np.add.at(right[:, 0], (cluster, truth), weight * own.counts[np.arange(len(truth)), truth])
    np.add.at(totals[:, 0], (cluster, truth), shared[0].counts.sum(axis=1))
    test = paired_uar_test(right, np.zeros_like(right), totals, unit=unit)
    return Score(test.difference, test.low, test.high, unit, test.count)


def correct(family: Sequence[Paired]) -> list[Paired]:
    """Return the comparisons with `p_holm`, corrected for all of them together."""
    p_values = {index: item.test.p for index, item in enumerate(family) if item.test is not None}
    corrected = holm(p_values)
    return [replace(item, p_holm=corrected.get(index, float("nan"))) for index, item in enumerate(family)]


class _Units:
    """Units of permutation and resampling: speakers of each corpus, or utterances if these are unknown.

    Attributes:
        name: Their kind: "speakers", "utterances" or "speakers and utterances".
        first: `[units, pairs * classes, classes]` confusion matrices of the first system.
        second: Those of the second.
    """

    def __init__(self, pairs: Sequence[SharedUtterances], corpora: Sequence[str]) -> None:
        by_speaker = {corpus: _by_speaker(pairs, corpora, corpus) for corpus in corpora}
        names = [
            [(corpus, name) for name in (pair.first.speaker if by_speaker[corpus] else pair.first.index)]
            for pair, corpus in zip(pairs, corpora, strict=True)
        ]
        indices = {unit: index for index, unit in enumerate(dict.fromkeys(chain.from_iterable(names)))}
        kinds = ["speakers" if flag else "utterances" for flag in by_speaker.values()]
        self.name = " and ".join(dict.fromkeys(kinds))
        rows = [np.array([indices[unit] for unit in own], dtype=np.int64) for own in names]
        self.first = _stacked([pair.first for pair in pairs], rows, len(indices))
        self.second = _stacked([pair.second for pair in pairs], rows, len(indices))


def _by_speaker(pairs: Sequence[SharedUtterances], corpora: Sequence[str], corpus: str) -> bool:
    own = [pair.first.speaker for pair, name in zip(pairs, corpora, strict=True) if name == corpus]
    return can_cluster(list(chain.from_iterable(own)))


def _stacked(
    votes: Sequence[VoteCounts], rows: Sequence[NDArray[np.int64]], units: int
) -> NDArray[np.float64]:
    """Return `[units, pairs * classes, classes]`, rows the truth."""
    classes = votes[0].counts.shape[1]
    confusions = np.zeros((units, len(votes), classes, classes))
    for pair, (own, indices) in enumerate(zip(votes, rows, strict=True)):
        np.add.at(confusions[:, pair], (indices, own.truth), own.counts)
    return confusions.reshape(units, -1, classes)


def _mcnemar(pair: SharedUtterances) -> float | None:
    """Return McNemar's p-value if each system has exactly one prediction per utterance."""
    sides = pair.first, pair.second
    if any((np.abs(side.counts.max(axis=1) - 1) > NOISE).any() for side in sides):
        return None
    if any((side.counts.sum(axis=1) > 1 + NOISE).any() for side in sides):
        return None
    first, second = ((side.counts.argmax(axis=1) == side.truth).tolist() for side in sides)
    return mcnemar(first, second)
