"""Predictions in the shape that scores and tests are made from."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sercl.metrics.functional.clusters import can_cluster

Run = tuple[int, int]
"""A repeat on the same utterances: (draw of the training data, seed)."""


@dataclass(frozen=True)
class Answers:
    """Predictions of one system, an entry per tested utterance and run.

    Attributes:
        runs: Repeats on the same utterances, sorted.
        run: `[n]` index into `runs`.
        fold: `[n]` index of the fold.
        utterance: `[n]` utterance ids.
        speaker: `[n]` speaker names, None where unknown.
        truth: `[n]` class indices.
        predicted: `[n]` class indices.
        probabilities: `[n, classes]`.
    """

    runs: tuple[Run, ...]
    run: NDArray[np.int64]
    fold: NDArray[np.int64]
    utterance: NDArray[np.object_]
    speaker: NDArray[np.object_]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @property
    def by_speaker(self) -> bool:
        """Whether speakers, and not utterances, are the units of intervals and tests."""
        return can_cluster(self.speaker.tolist())

    @property
    def units(self) -> NDArray[np.object_]:
        """`[n]` the speaker, or the utterance where speakers are unknown or too few."""
        return self.speaker if self.by_speaker else self.utterance

    @property
    def unit_name(self) -> str:
        """What a unit is: "speakers" or "utterances"."""
        return "speakers" if self.by_speaker else "utterances"


def complete(answers: Answers) -> Answers:
    """Leave out repeats that lack utterances that others have, so that all average over the same ones.

    Where no repeat has them all, everything stays.
    """
    if len(answers.runs) == 1:
        return answers
    tests = pd.factorize(answers.utterance)[0] * (answers.fold.max() + 1) + answers.fold
    sizes = [len(np.unique(tests[answers.run == index])) for index in range(len(answers.runs))]
    full = np.flatnonzero(np.array(sizes) == len(np.unique(tests)))
    if len(full) in (0, len(answers.runs)):
        return answers
    kept = np.isin(answers.run, full)
    return Answers(
        runs=tuple(answers.runs[index] for index in full),
        run=np.searchsorted(full, answers.run[kept]),
        fold=answers.fold[kept],
        utterance=answers.utterance[kept],
        speaker=answers.speaker[kept],
        truth=answers.truth[kept],
        predicted=answers.predicted[kept],
        probabilities=answers.probabilities[kept],
    )


def confusions(answers: Answers, num_classes: int) -> NDArray[np.int64]:
    """Return the confusion matrix of every unit and run, `[units, runs, classes, classes]`, rows the truth.

    An utterance that several folds test counts once for each.
    """
    unit, names = pd.factorize(answers.units)
    counts = np.zeros((len(names), len(answers.runs), num_classes, num_classes), dtype=np.int64)
    np.add.at(counts, (unit, answers.run, answers.truth, answers.predicted), 1)
    return counts
