"""EDER of groups of recordings, such as dialects or genders, and whether they differ."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sercl.corpora.base import Utterance
from sercl.metrics.functional.clusters import MIN_SPEAKERS, can_cluster
from sercl.metrics.functional.eder import NEUTRAL, ErrorParts, eder
from sercl.metrics.functional.groups import group_test
from sercl.studies.diarization.evaluation import confusion_of, evaluate
from sercl.studies.diarization.recordings import DiarizedRecording
from sercl.studies.results.groups import (
    FEW_UTTERANCES,
    GroupDifference,
    Grouping,
    GroupScores,
    check_columns,
    columns_of,
    corrected,
    few_speakers,
    filled,
    in_order,
    one_group,
    pairs_of,
    tested_difference,
    too_few,
)

Sources = Sequence[Sequence[Utterance]]

SCORES = ("eder", *ErrorParts._fields, "uar")
"""What is shown of each group."""

MIXED = "several"
"""The value of a clip whose pieces have different values, such as sessions of one speaker."""


def check_recordings(sources: Sources, columns: Sequence[str]) -> None:
    """Raise before systems run if recordings cannot be grouped; raises as `grouped_recordings`."""
    for column in columns:
        _values(sources, column)


def grouped_recordings(
    diarized: Sequence[DiarizedRecording],
    sources: Sources,
    columns: Sequence[str],
    classes: Sequence[str],
) -> tuple[Grouping, ...]:
    """Score the groups of each column.

    Args:
        diarized: The recordings, with the segments that one system found.
        sources: For each, the utterances that it is built from.
        columns: What is known of utterances, such as `dialect`.
        classes: Class names, "neutral" among them.

    Raises:
        UnknownNameError: For a column of which nothing is known.
        OneGroupError: If all recordings have the same value.
    """
    return tuple(_grouping(diarized, column, _values(sources, column), classes) for column in columns)


def _values(sources: Sources, column: str) -> NDArray[np.object_]:
    every = list({id(item): item for own in sources for item in own}.values())
    check_columns([column], columns_of(every))
    values = np.array(filled(column, [_common(own, column) for own in sources]), dtype=object)
    if len(set(values)) < 2:
        raise one_group(column, values[0])
    return values


def _common(pieces: Sequence[Utterance], column: str) -> str | None:
    values = {item.value(column) for item in pieces}
    return next(iter(values)) if len(values) == 1 else MIXED


def _grouping(
    diarized: Sequence[DiarizedRecording], column: str, values: NDArray[np.object_], classes: Sequence[str]
) -> Grouping:
    groups = {
        value: [item for item, own in zip(diarized, values, strict=True) if own == value]
        for value in in_order(values)
    }
    scores = tuple(_scores(value, own, classes) for value, own in groups.items())
    pairs = [(first, second) for first, second in pairs_of(list(groups)) if MIXED not in (first, second)]
    differences = [_difference({name: groups[name] for name in pair}, classes) for pair in pairs]
    return Grouping(column, scores, corrected(differences), "eder", "recordings")


def _scores(value: str, group: Sequence[DiarizedRecording], classes: Sequence[str]) -> GroupScores:
    found = evaluate(group, classes)
    people = [item.speaker for item in group]
    speakers = None if None in people else len(set(people))
    scores = {name: found.named[name] for name in SCORES}
    return GroupScores(value, len(group), speakers, scores, tuple(_remarks(group, speakers)))


def _remarks(group: Sequence[DiarizedRecording], speakers: int | None) -> Iterator[str]:
    if not can_cluster([item.speaker for item in group]):
        yield few_speakers(speakers, "recordings")
    if len(group) < FEW_UTTERANCES:
        yield f"fewer than {FEW_UTTERANCES} recordings"


def _difference(groups: dict[str, list[DiarizedRecording]], classes: Sequence[str]) -> GroupDifference:
    (first, one), (second, other) = groups.items()
    every = [*one, *other]
    by_speaker = all(item.speaker is not None for item in every)
    _, unit = np.unique([str(item.speaker) if by_speaker else item.id for item in every], return_inverse=True)
    rates = eder(torch.stack([confusion_of(item, classes) for item in every]), list(classes).index(NEUTRAL))
    sums = np.zeros((2, int(unit.max()) + 1, 1, 1, 2))
    side = np.repeat([0, 1], [len(one), len(other)])
    np.add.at(sums[..., 0, 0, 0], (side, unit), rates.numpy())
    np.add.at(sums[..., 0, 0, 1], (side, unit), 1)
    test, reason = group_test(sums[0], sums[1], _mean), _why_not(groups) if by_speaker else ""
    return tested_difference(
        first, second, test, "speakers" if by_speaker else "recordings", sums.shape[1], reason
    )


def _why_not(groups: dict[str, list[DiarizedRecording]]) -> str:
    people = {value: len({item.speaker for item in own}) for value, own in groups.items()}
    return next((too_few(value, number) for value, number in people.items() if number < MIN_SPEAKERS), "")


def _mean(sums: Tensor) -> Tensor:
    """Return the mean of sums and numbers, `[..., 1, 2]` -> `[...]`."""
    return sums[..., 0, 0] / sums[..., 0, 1]
