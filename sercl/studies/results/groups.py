"""Scores of groups of utterances, such as dialects or genders, and whether they differ."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, combinations
from math import isnan, nan
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sercl.corpora.base import Utterance
from sercl.corpora.where import STANDARD, UNKNOWN
from sercl.counting import count
from sercl.errors import UnknownNameError, UsageError
from sercl.metrics.functional.clusters import MIN_SPEAKERS, numbered
from sercl.metrics.functional.comparison import holm
from sercl.metrics.functional.groups import GroupTest, group_test
from sercl.studies.results.predictions import OTHER, Predictions, known_of
from sercl.studies.results.scores import Score, frame_of, score_confusions, score_row, without_nan

if TYPE_CHECKING:
    import pandas as pd

FEW_UTTERANCES = 20
"""A class with fewer test utterances is called tiny: one of them is then 5 points of its recall."""

MOST_PAIRED = 4
"""Up to this many groups are compared pair by pair; more of them each with the largest."""


Key = TypeVar("Key")


class OneGroupError(UsageError):
    """All utterances have the same value, so that there are no groups to compare."""


@dataclass(frozen=True)
class GroupScores:
    """Scores of the utterances with one value of a column.

    Attributes:
        value: The value; "unknown" where there is none, for dialects "standard".
        utterances: Different utterances, or recordings, that were tested.
        speakers: Their speakers, None where one is unknown.
        scores: Every average by name, then "recall/<class>" of each class; of diarization, `eder`, its parts
            and `uar`. Repeats are averaged.
        remarks: What to know before reading them: few speakers, few utterances, absent classes.
    """

    value: str
    utterances: int
    speakers: int | None
    scores: Mapping[str, Score]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class GroupDifference:
    """The difference of a score between two groups, see `sercl.metrics.functional.groups`.

    Attributes:
        first: Value of the first group.
        second: Value of the second.
        difference: Score of the first minus that of the second; `count` is the number of units in both.
        p: p-value of Welch's test, NaN without one.
        p_holm: The same, corrected for all differences of the column.
        shared: Number of units in both groups: their correlation is accounted for.
        reason: Why there is no test, "" where there is one.
    """

    first: str
    second: str
    difference: Score
    p: float
    p_holm: float = nan
    shared: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Grouping:
    """The scores of all groups of a column.

    Attributes:
        column: The column.
        groups: The largest first, one of unknown value last.
        differences: Each pair of up to `MOST_PAIRED` groups, else each group and the largest.
        score: The score that differs.
        counted: What `utterances` counts: "utterances" or "recordings".
    """

    column: str
    groups: tuple[GroupScores, ...]
    differences: tuple[GroupDifference, ...] = field(default=())
    score: str = "uar"
    counted: str = "utterances"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; NaN becomes None."""
        return dict(without_nan(asdict(self)))

    def to_frame(self) -> "pd.DataFrame":
        """Return a row per group and score, then one per difference: `group` "A - B", `p` and `p_holm`."""
        return frame_of(self._rows())

    def _rows(self) -> Iterator[dict[str, Any]]:
        for group in self.groups:
            sizes = {"utterances": group.utterances, "speakers": group.speakers}
            for name, score in group.scores.items():
                yield {"column": self.column, "group": group.value, **score_row(name, score), **sizes}
        for own in self.differences:
            pair = {"column": self.column, "group": f"{own.first} - {own.second}"}
            yield {**pair, **score_row(self.score, own.difference), "p": own.p, "p_holm": own.p_holm}


def score_groups(predictions: Predictions, column: str) -> Grouping:
    """Score the groups of a column, and test whether they differ.

    Args:
        predictions: Of one system, of all folds and repeats. Repeats that lack a fold are left out.
        column: One of `grouping_columns`.

    Raises:
        UnknownNameError: For a column that the predictions do not have.
        OneGroupError: If all utterances have the same value.
    """
    own = predictions.complete()
    values = _values(own, column)
    groups = _split(own, values)
    if len(groups) < 2:
        raise one_group(column, next(iter(groups)))
    scores = tuple(_scores(value, group) for value, group in groups.items())
    differences = [_difference(own, values, *pair) for pair in pairs_of(list(groups))]
    return Grouping(column, scores, corrected(differences))


def corrected(differences: Sequence[GroupDifference]) -> tuple[GroupDifference, ...]:
    """Return the differences of one column with Holm's correction."""
    found = holm({index: item.p for index, item in enumerate(differences)})
    return tuple(replace(item, p_holm=found[index]) for index, item in enumerate(differences))


def one_group(column: str, *values: str) -> OneGroupError:
    """Return the error of a column with one value, or with one in each of several test sets."""
    where = " of each test set" if len(values) > 1 else ""
    own = " or ".join(map(repr, values))
    return OneGroupError(f"group_by {column}: all utterances{where} are {own}; there are no two groups.")


def split_by(predictions: Predictions, column: str) -> dict[str, Predictions]:
    """Return value -> predictions of the utterances that have it, the largest group first.

    Raises:
        UnknownNameError: For a column that the predictions do not have.
    """
    return _split(predictions, _values(predictions, column))


def groups_of(
    predictions: Mapping[Key, Predictions], columns: Sequence[str]
) -> dict[Key, tuple[Grouping, ...]]:
    """Score the groups of every column in the predictions of several systems.

    Args:
        predictions: Name -> predictions.
        columns: Columns, as for `score_groups`.

    Returns:
        Name -> what was found, without columns in which all its utterances have the same value.

    Raises:
        UnknownNameError: For a column that no system's predictions have.
        UsageError: If all utterances of each system have the same value in a column.
    """
    known = dict.fromkeys(name for own in predictions.values() for name in grouping_columns(own))
    check_columns(columns, list(known))
    found: dict[Key, list[Grouping]] = {key: [] for key in predictions}
    for column in columns:
        reasons: list[OneGroupError] = []
        for key, own in predictions.items():
            if column in grouping_columns(own):
                try:
                    found[key].append(score_groups(own, column))
                except OneGroupError as error:
                    reasons.append(error)
        if not any(item.column == column for own in found.values() for item in own):
            raise reasons[0]
    return {key: tuple(own) for key, own in found.items() if own}


def grouping_columns(predictions: Predictions) -> list[str]:
    """Return the columns by which predictions can be grouped."""
    return [name.removeprefix(OTHER) for name in predictions.known]


def columns_of(utterances: Sequence[Utterance]) -> list[str]:
    """Return the columns by which utterances can be grouped."""
    return [name.removeprefix(OTHER) for name in known_of(utterances)]


def check_groups(tested: Sequence[Sequence[Utterance]], columns: Sequence[str]) -> None:
    """Raise before anything is trained if no system will be tested on groups of utterances.

    Args:
        tested: For each system, all utterances that it will be tested on.
        columns: As for `score_groups`.

    Raises:
        UnknownNameError: For a column of which nothing is known.
        OneGroupError: For one in which all utterances of each system have the same value.
    """
    check_columns(columns, columns_of(list(chain.from_iterable(tested))))
    for column in columns:
        values = [{item.value(column) for item in own} for own in tested]
        if all(len(own) < 2 for own in values):
            raise one_group(column, *sorted(set(filled(column, list(chain.from_iterable(values))))))


def check_columns(columns: Sequence[str], known: Sequence[str]) -> None:
    """Raise `UnknownNameError` for a column that is not known of any of the utterances."""
    for column in columns:
        if column not in known:
            hint = "" if known else "The predictions are of an earlier version: write them again."
            raise UnknownNameError("column of group_by", column, known or ["none"], hint)


def _values(predictions: Predictions, column: str) -> NDArray[np.object_]:
    check_columns([column], grouping_columns(predictions))
    found = predictions.known[column if column in predictions.known else f"{OTHER}{column}"]
    return np.array(filled(column, found.tolist()), dtype=object)


def filled(column: str, values: Sequence[str | None]) -> list[str]:
    """Return the values of a column with a name for those that are absent."""
    is_standard = column == "dialect" and STANDARD not in values
    return [(STANDARD if is_standard else UNKNOWN) if own is None else own for own in values]


def in_order(values: NDArray[np.object_]) -> list[str]:
    """Return the values, the most frequent first and the unknown last."""
    names, counts = np.unique(values.astype(str), return_counts=True)
    rows = sorted(
        zip(names.tolist(), counts.tolist(), strict=True), key=lambda row: (row[0] == UNKNOWN, -row[1])
    )
    return [name for name, _ in rows]


def _split(predictions: Predictions, values: NDArray[np.object_]) -> dict[str, Predictions]:
    return {value: predictions.at(values == value) for value in in_order(values)}


def pairs_of(values: Sequence[str]) -> list[tuple[str, str]]:
    """Return which groups are compared, see `Grouping`."""
    known = [value for value in values if value != UNKNOWN]
    if len(known) <= MOST_PAIRED:
        return list(combinations(known, 2))
    return [(known[0], other) for other in known[1:]]


def _scores(value: str, group: Predictions) -> GroupScores:
    speakers = None if None in group.speaker else len(set(group.speaker))
    return GroupScores(
        value=value,
        utterances=len(set(group.utterance)),
        speakers=speakers,
        scores=score_confusions(group.confusions(), group.classes, group.unit_name),
        remarks=tuple(_remarks(group, speakers)),
    )


def _remarks(group: Predictions, speakers: int | None) -> Iterator[str]:
    if not group.by_speaker:
        yield few_speakers(speakers, "utterances")
    support = _support(group)
    if absent := [name for name, number in support.items() if not number]:
        yield f"no utterance of {', '.join(absent)}: UAR is the mean over the other classes"
    if tiny := [f"{name} {number}" for name, number in support.items() if 0 < number < FEW_UTTERANCES]:
        yield f"few utterances, fewer than {FEW_UTTERANCES} of a class: {', '.join(tiny)}"


def few_speakers(speakers: int | None, counted: str) -> str:
    """Return the remark on a group whose intervals are not over speakers."""
    who = "speakers are unknown" if speakers is None else _fewer(speakers)
    return f"{who}: intervals resample {counted}, and are too narrow for new speakers"


def too_few(value: str, speakers: int) -> str:
    """Return why a group cannot be compared over so few speakers."""
    return f"{value} has {_fewer(speakers)}"


def _fewer(speakers: int) -> str:
    return f"{count(speakers, 'speaker')}, fewer than {MIN_SPEAKERS}"


def _support(group: Predictions) -> dict[str, int]:
    """Return class -> number of different utterances."""
    sizes = Counter(truth for _, truth in set(zip(group.utterance, group.truth.tolist(), strict=True)))
    return {name: sizes[index] for index, name in enumerate(group.classes)}


def _difference(
    predictions: Predictions, values: NDArray[np.object_], first: str, second: str
) -> GroupDifference:
    rows = (values == first) | (values == second)
    both, is_first = predictions.at(rows), (values == first)[rows]
    sides = [both.at(is_first), both.at(~is_first)]
    by_speaker = None not in both.speaker
    unit, names = numbered(both.speaker if by_speaker else both.utterance)
    sums = [
        _sums(side, unit[own], len(names)) for side, own in zip(sides, (is_first, ~is_first), strict=True)
    ]
    reason = _why_not(dict(zip((first, second), sides, strict=True)), by_speaker)
    units = "speakers" if by_speaker else "utterances"
    return tested_difference(first, second, group_test(sums[0], sums[1]), units, len(names), reason)


def tested_difference(
    first: str, second: str, test: GroupTest, units: str, number: int, reason: str
) -> GroupDifference:
    """Return a difference, without interval and p where there is a reason against them.

    Args:
        first: Value of the first group.
        second: Value of the second.
        test: What was found.
        units: What the test is over: "speakers", "utterances" or "recordings".
        number: Their number in both groups.
        reason: Why they cannot be compared, "" if they can.
    """
    if not reason and isnan(test.p):
        reason = f"in one of them all {units} score the same"
    ends = (nan, nan) if reason else (test.low, test.high)
    score = Score(test.difference, *ends, units, number)
    return GroupDifference(first, second, score, nan if reason else test.p, shared=test.shared, reason=reason)


def _why_not(groups: Mapping[str, Predictions], by_speaker: bool) -> str:
    """Return why two groups cannot be compared, "" if they can."""
    for value, group in groups.items():
        if by_speaker and not group.by_speaker:
            return too_few(value, len(set(group.speaker)))
    present = [{name for name, number in _support(group).items() if number} for group in groups.values()]
    if present[0] != present[1]:
        return f"only one of them has {', '.join(sorted(present[0] ^ present[1]))}"
    return ""


def _sums(group: Predictions, unit: NDArray[np.int64], units: int) -> NDArray[np.int64]:
    """Return `[units, runs, classes, classes]`, zeros for units without utterances in the group."""
    classes = len(group.classes)
    counts = np.zeros((units, len(group.runs), classes, classes), dtype=np.int64)
    np.add.at(counts, (unit, group.run, group.truth, group.predicted), 1)
    return counts
