"""What a system answered on each utterance, and two systems on the utterances that they share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sercl.studies.answers import Answers

NOISE = 1e-9
"""Counts of votes that differ by no more than this are equal: a mean over three repeats has thirds in it."""


@dataclass(frozen=True)
class Votes:
    """What a system answered on each utterance, repeats averaged so that they do not count as more data.

    Attributes:
        index: `[n]` utterance ids.
        truth: `[n]` class indices.
        speaker: `[n]` speakers, None where unknown.
        counts: `[n, classes]` how often each class was predicted: the folds that test the utterance, shared
            out by the mean over repeats.
    """

    index: "pd.Index[str]"
    truth: NDArray[np.int64]
    speaker: NDArray[np.object_]
    counts: NDArray[np.float64]

    def at(self, places: NDArray[np.int64]) -> "Votes":
        """Return those at some places, in that order."""
        return Votes(self.index[places], self.truth[places], self.speaker[places], self.counts[places])


@dataclass(frozen=True)
class SharedVotes:
    """Two systems on the same utterances, each of which weighs as often as the one that tested it less.

    Attributes:
        first: One system.
        second: The other, its utterances in the same order.
        contradicting: Utterances left out because their true class is not the same in both.
    """

    first: Votes
    second: Votes
    contradicting: int

    @property
    def differ(self) -> int:
        """Number of utterances on which the systems do not answer alike (in every repeat)."""
        return int((np.abs(self.first.counts - self.second.counts) > NOISE).any(axis=1).sum())


def count_votes(answers: Answers, num_classes: int) -> Votes:
    """Count how often each utterance was given each class; see `Votes`."""
    place, names = pd.factorize(answers.utterance)
    _, first = np.unique(place, return_index=True)
    counts = np.zeros((len(names), num_classes))
    np.add.at(counts, (place, answers.predicted), 1 / len(answers.runs))
    return Votes(pd.Index(names), answers.truth[first], answers.speaker[first], counts)


def share(first: Votes, second: Votes) -> SharedVotes:
    """Bring two systems to the utterances that both judged; those of another true class are left out."""
    (one, two), contradicting = share_all([first, second])
    return SharedVotes(one, two, contradicting)


def share_all(systems: Sequence[Votes]) -> tuple[list[Votes], int]:
    """Bring systems to the utterances that all labelled; each weighs as where it was tested least.

    Returns:
        The systems, and how many utterances are left out because their true class is not the same in all.
    """
    index = systems[0].index
    for other in systems[1:]:
        index = index.intersection(other.index)
    shared = [own.at(own.index.get_indexer(index)) for own in systems]
    alike = np.flatnonzero(np.all([own.truth == shared[0].truth for own in shared], axis=0))
    shared = [own.at(alike) for own in shared]
    least = np.min([own.counts.sum(axis=1) for own in shared], axis=0)
    return [_weighed(own, least) for own in shared], len(index) - len(alike)


def _weighed(votes: Votes, weight: NDArray[np.float64]) -> Votes:
    factor = weight / votes.counts.sum(axis=1)
    return Votes(votes.index, votes.truth, votes.speaker, votes.counts * factor[:, None])
