"""Two systems on the utterances that both judged: how far apart they are, and whether by more than chance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sercl.metrics.functional.classification import uar
from sercl.metrics.functional.comparison import PermutationTest, holm, mcnemar, permutation_test
from sercl.metrics.functional.intervals import Statistic, can_cluster, difference_interval
from sercl.studies.answers import Answers
from sercl.studies.evaluation import Score

_NOISE = 1e-9


@dataclass(frozen=True)
class Paired:
    """The difference of a score between two systems.

    Attributes:
        utterances: Utterances that both judged.
        differ: Those on which they do not answer alike (in every repeat).
        contradicting: Utterances that both judged, left out because their true class is not the same.
        difference: Score of the first minus that of the second, with its 95 % interval; NaN where they share
            no utterance.
        test: The permutation test; None where they share no utterance.
        mcnemar: p-value of McNemar's test; None unless utterances are the units and each system ran once.
        p_holm: p-value of `test`, corrected for the family that it is shown with.
    """

    utterances: int
    differ: int
    contradicting: int
    difference: Score
    test: PermutationTest | None
    mcnemar: float | None
    p_holm: float = float("nan")


class Votes:
    """What a system answered on each utterance, repeats averaged so that they do not count as more data.

    Attributes:
        index: Utterance ids.
        truth: Utterance -> class index.
        speaker: Utterance -> speaker, None where unknown.
        counts: `[n, classes]` how often each class was predicted, the mean over repeats.
    """

    def __init__(
        self, truth: "pd.Series[int]", speaker: "pd.Series[str]", counts: NDArray[np.float64]
    ) -> None:
        self.index, self.truth, self.speaker, self.counts = truth.index, truth, speaker, counts

    def of(self, utterances: "pd.Index[str]") -> "Votes":
        """Return those of some utterances, in their order."""
        places = self.index.get_indexer(utterances)
        return Votes(self.truth[utterances], self.speaker[utterances], self.counts[places])


def count_votes(answers: Answers, num_classes: int) -> Votes:
    """Count how often each utterance was given each class; see `Votes`."""
    place, names = pd.factorize(answers.utterance)
    _, first = np.unique(place, return_index=True)
    counts = np.zeros((len(names), num_classes))
    np.add.at(counts, (place, answers.predicted), 1 / len(answers.runs))
    index = pd.Index(names)
    truth = pd.Series(answers.truth[first], index=index)
    return Votes(truth, pd.Series(answers.speaker[first], index=index, dtype=object), counts)


def compare(first: Votes, second: Votes, statistic: Statistic = uar) -> Paired:
    """Compare two systems on the utterances that both judged.

    An utterance that several folds test weighs as often, unless the other system tested it in fewer.

    Args:
        first: What `count_votes` gave for one system.
        second: The same for the other.
        statistic: The score that is compared.
    """
    both = first.index.intersection(second.index)
    alike = both[(first.truth[both] == second.truth[both]).to_numpy()]
    contradicting = len(both) - len(alike)
    if not len(alike):
        nothing = Score(float("nan"), float("nan"), float("nan"), "utterances", 0)
        return Paired(0, 0, contradicting, nothing, None, None)
    return _compared(first.of(alike), second.of(alike), contradicting, statistic)


def correct(family: Sequence[Paired]) -> list[Paired]:
    """Return the comparisons with `p_holm`, corrected for all of them together."""
    p_values = {index: item.test.p for index, item in enumerate(family) if item.test is not None}
    corrected = holm(p_values)
    return [replace(item, p_holm=corrected.get(index, float("nan"))) for index, item in enumerate(family)]


def _compared(one: Votes, two: Votes, contradicting: int, statistic: Statistic) -> Paired:
    truth, speakers = one.truth.to_numpy(), one.speaker.tolist()
    by_speaker = can_cluster(speakers)
    unit = "speakers" if by_speaker else "utterances"
    names = np.asarray(speakers, dtype=object) if by_speaker else np.asarray(one.index, dtype=object)
    counts = _same_weight(one.counts, two.counts)
    first, second = (_per_unit(item, pd.factorize(names)[0], truth) for item in counts)
    interval = difference_interval(first, second, statistic, unit=unit)
    test = permutation_test(first, second, statistic, unit=unit)
    return Paired(
        utterances=len(truth),
        differ=int((np.abs(counts[0] - counts[1]) > _NOISE).any(axis=1).sum()),
        contradicting=contradicting,
        difference=Score(test.difference, interval.low, interval.high, unit, test.count),
        test=test,
        mcnemar=None if by_speaker else _mcnemar(counts, truth),
    )


def _same_weight(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    weights = first.sum(axis=1, keepdims=True), second.sum(axis=1, keepdims=True)
    least = np.minimum(*weights)
    return first * (least / weights[0]), second * (least / weights[1])


def _per_unit(
    counts: NDArray[np.float64], places: NDArray[np.int64], truth: NDArray[Any]
) -> NDArray[np.float64]:
    """Return `[units, classes, classes]`, rows the truth."""
    classes = counts.shape[1]
    confusions = np.zeros((places.max() + 1, classes, classes))
    np.add.at(confusions, (places, truth), counts)
    return confusions


def _mcnemar(counts: Sequence[NDArray[np.float64]], truth: NDArray[Any]) -> float | None:
    """Return McNemar's p-value if each system answered each utterance exactly once."""
    if any(
        (np.abs(item.max(axis=1) - 1) > _NOISE).any() or (item.sum(axis=1) > 1 + _NOISE).any()
        for item in counts
    ):
        return None
    first, second = ((item.argmax(axis=1) == truth).tolist() for item in counts)
    return mcnemar(first, second)
