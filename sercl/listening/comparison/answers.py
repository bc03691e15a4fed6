"""The answers of a table as arrays, ready to be scored: by listener, or as votes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sercl.corpora.labels import EMOTIONS
from sercl.counting import count
from sercl.errors import UsageError
from sercl.listening.ratings import LISTENER, RATINGS, Table, first_answers
from sercl.metrics.functional.clusters import MIN_SPEAKERS, can_cluster
from sercl.metrics.functional.crossed import Crossed, Estimate
from sercl.metrics.functional.intervals import SIGNIFICANT

EVERYBODY = "all listeners"
UNKNOWN = "unknown"
ANOTHER = "another answer"
"""The answer of those who did not recognise an emotion, where only its recognition rate is known."""

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """A score with its 95 % interval over listeners and items.

    Attributes:
        value: The score, NaN if undefined.
        low: Lower end, NaN if there is none.
        high: Upper end.
        listeners: Number of listeners; 0 where single listeners are not known, so that the interval is over
            items.
        items: Number of items, or of speakers if intervals are over speakers.
    """

    value: float
    low: float
    high: float
    listeners: int
    items: int


def measured(estimate: Estimate, bounded: bool = True, votes_only: bool = False) -> Measure:
    """Return an estimate with the ends of its interval."""
    low, high = estimate.interval(bounded)
    return Measure(estimate.value, low, high, 0 if votes_only else estimate.listeners, estimate.items)


def normal_measure(value: float, error: float, listeners: int, items: int) -> Measure:
    """Return a score with a symmetric interval from its standard error."""
    half = 1.959963984540054 * error
    return Measure(value, value - half, value + half, listeners, items)


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests of whether a difference lies within a margin.

    Attributes:
        margin: The margin, in shares of the score: UAR or EDER.
        p: p-value; NaN without a standard error.
        equivalent: Whether p is below 0.05.
    """

    margin: float
    p: float
    equivalent: bool


def equivalence_within(difference: Estimate, margin: float) -> Equivalence:
    """Return the test that a difference lies within a margin."""
    p = difference.p_equivalent(margin)
    return Equivalence(margin, p, bool(p < SIGNIFICANT))


@dataclass(frozen=True)
class Answers:
    """Answers to items of known emotion; a row stands for one answer, or for equal votes.

    Attributes:
        classes: Emotions of the items, in order.
        columns: The classes, then further answers that were given.
        frame: `[rows]` item, speaker, language, dialect, group and listener of each; text.
        truth: `[rows]` index into classes.
        answer: `[rows]` index into columns.
        weight: `[rows]` number of answers: 1, or votes.
        votes_only: Whether single listeners are not known.
        rates_only: Whether wrong answers are not known either.
        by_speaker: Whether intervals are over the speakers of the items, instead of items.
    """

    classes: tuple[str, ...]
    columns: tuple[str, ...]
    frame: pd.DataFrame
    truth: Indices
    answer: Indices
    weight: Floats
    votes_only: bool
    rates_only: bool
    by_speaker: bool

    def __len__(self) -> int:
        return len(self.frame)

    def where(self, kept: NDArray[np.bool_]) -> Self:
        """Return some of the rows."""
        return replace(
            self,
            frame=self.frame[kept].reset_index(drop=True),
            truth=self.truth[kept],
            answer=self.answer[kept],
            weight=self.weight[kept],
        )

    @cached_property
    def listener(self) -> tuple[Indices, NDArray[np.object_]]:
        """`[rows]` index of the listener, and the names."""
        return _coded(self.frame["listener"])

    @cached_property
    def item(self) -> tuple[Indices, NDArray[np.object_]]:
        """`[rows]` index of the item, and the names."""
        return _coded(self.frame["item"])

    @cached_property
    def item_truth(self) -> Indices:
        """`[items]` class of each item."""
        return self._of_items(self.truth)

    def _of_items(self, values: Indices) -> Indices:
        codes, names = self.item
        found = np.zeros(len(names), dtype=np.int64)
        found[codes] = values
        return found

    def design(self) -> Crossed:
        """Return who answered what; items are drawn within emotion, language and dialect; or speakers."""
        listener, people = self.listener
        item, _ = self.item
        group = np.zeros(len(people), dtype=np.int64)
        group[listener] = _coded(self.frame["group"])[0]
        if self.by_speaker:
            speaker, voices = _coded(self.frame["speaker"])
            language = np.zeros(len(voices), dtype=np.int64)
            language[speaker] = _coded(self.frame["language"])[0]
            return Crossed(listener, speaker, group, language)
        strata = pd.Series(list(zip(self.truth, self.frame["language"], self.frame["dialect"], strict=True)))
        return Crossed(listener, item, group, self._of_items(pd.factorize(strata)[0].astype(np.int64)))

    @cached_property
    def item_units(self) -> Indices:
        """`[items]` what is drawn: the speaker of each, or the item itself."""
        if not self.by_speaker:
            return np.arange(self.items)
        return self._of_items(_coded(self.frame["speaker"])[0])

    def drawn_items(self, rng: np.random.Generator) -> Indices:
        """Return indices of items, drawn with replacement within emotions; or all items of drawn speakers."""
        if self.by_speaker:
            units = self.item_units
            chosen = rng.choice(np.unique(units), size=len(np.unique(units)))
            return np.concatenate([np.flatnonzero(units == unit) for unit in chosen])
        truth = self.item_truth
        parts = [np.flatnonzero(truth == name) for name in np.unique(truth)]
        return np.concatenate([rng.choice(part, size=len(part)) for part in parts])

    def cells(self) -> Floats:
        """Return `[rows, classes * columns]` what each row adds to the confusion matrix."""
        width = len(self.columns)
        values = np.zeros((len(self), len(self.classes) * width))
        values[np.arange(len(self)), self.truth * width + self.answer] = self.weight
        return values

    def confusion(self) -> Floats:
        """Return `[classes, columns]` counts, rows the truth."""
        return np.asarray(self.cells().sum(axis=0).reshape(len(self.classes), len(self.columns)))

    def votes(self) -> Indices:
        """Return `[items, columns]` how often each answer was given."""
        item, names = self.item
        counts = np.zeros((len(names), len(self.columns)))
        np.add.at(counts, (item, self.answer), self.weight)
        return np.rint(counts).astype(np.int64)

    def by_listener(self) -> Indices:
        """Return `[listeners, items]` the answer of each, -1 where there is none; no rows of votes."""
        if self.votes_only:
            return np.zeros((0, len(self.item[1])), dtype=np.int64)
        (listener, people), (item, items) = self.listener, self.item
        found = np.full((len(people), len(items)), -1, dtype=np.int64)
        found[listener, item] = self.answer
        return found

    @property
    def listeners(self) -> int:
        """Number of listeners; 0 where they are not known."""
        return 0 if self.votes_only else len(self.listener[1])

    @property
    def units(self) -> int:
        """Number of what intervals are over beside listeners: items, or speakers."""
        return len(np.unique(self.item_units))

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self.item[1])


class Grouped(Protocol):
    """Rows of listeners in groups, and of items with language and dialect."""

    @property
    def frame(self) -> pd.DataFrame:
        """`[rows]` group, language and dialect, among others."""

    def where(self, kept: NDArray[np.bool_]) -> Self:
        """Return some of the rows."""


Rows = TypeVar("Rows", bound=Grouped)


def cells_of(own: Rows, groups: Sequence[str]) -> Iterator[tuple[tuple[str, str, str], Rows]]:
    """Yield each group on all items, then by language, then by dialect, where there are several."""
    frame = own.frame
    languages = sorted(set(frame["language"]))
    for group in groups:
        of_group = (frame["group"] == group).to_numpy(dtype=bool)
        yield (group, "", ""), own.where(of_group)
        for language in languages:
            kept = of_group & (frame["language"] == language).to_numpy(dtype=bool)
            dialects = sorted(set(frame["dialect"][kept]))
            if len(languages) > 1 and kept.any():
                yield (group, language, ""), own.where(kept)
            if len(dialects) > 1:
                for dialect in dialects:
                    chosen = kept & (frame["dialect"] == dialect).to_numpy(dtype=bool)
                    yield (group, language, dialect or "standard"), own.where(chosen)


def _coded(values: "pd.Series[str]") -> tuple[Indices, NDArray[np.object_]]:
    codes, names = pd.factorize(values.to_numpy(dtype=object), sort=True)
    return codes.astype(np.int64), np.asarray(names, dtype=object)


def answers_of(
    table: Table, groups: str | None, truths: Mapping[str, str], by_speaker: bool = False
) -> Answers:
    """Return the answers of a table to items whose emotion is known.

    Args:
        table: Ratings or votes.
        groups: Column that describes listeners, without its prefix; None for one group.
        truths: Item -> emotion, for items whose emotion the table does not have.
        by_speaker: Whether intervals are over the speakers of the items, instead of items.

    Raises:
        UsageError: For a column that is not there, groups of votes, no item with a known emotion, or speakers
            that are unknown or too few.
    """
    rows = _rating_rows(table, groups) if table.kind == RATINGS else _vote_rows(table, groups)
    known = rows["item"].map(lambda name: truths.get(str(name)))
    rows["truth"] = rows["truth"].where(rows["truth"].notna(), known)
    rows = rows[rows["truth"].notna()].reset_index(drop=True)
    if not len(rows):
        raise UsageError(
            "no answer to an item whose emotion is known: import with --items, or give --predictions of "
            "these items."
        )
    if by_speaker:
        rows["speaker"] = _speakers(rows)
    classes = in_order(rows["truth"])
    columns = (*classes, *in_order(set(rows["answer"]) - set(classes)))
    return Answers(
        classes=classes,
        columns=columns,
        frame=rows[["item", "speaker", "language", "dialect", "group", "listener"]].copy(),
        truth=_indices(rows["truth"], classes),
        answer=_indices(rows["answer"], columns),
        weight=rows["weight"].to_numpy(np.float64),
        votes_only=table.kind != RATINGS,
        rates_only=ANOTHER in columns,
        by_speaker=by_speaker,
    )


def _speakers(rows: pd.DataFrame) -> "pd.Series[str]":
    """Return the speaker of each row, with the corpus, since names may be numbers."""
    if not can_cluster(rows["speaker"].tolist()):
        raise UsageError(
            f"--units speakers: the items have {count(rows['speaker'].nunique(), 'known speaker')}; at least "
            f"{MIN_SPEAKERS} are needed, and a speaker of every item (--items of `sercl listen import`)."
        )
    return rows["corpus"].fillna("").astype(str) + "/" + rows["speaker"].astype(str)


def _rating_rows(table: Table, groups: str | None) -> pd.DataFrame:
    frame = first_answers(table)
    if not len(frame):
        raise UsageError(
            "no answer to an item: only practice, checks, repetitions, segments or empty answers."
        )
    check_groups(table, groups)
    group = frame[f"{LISTENER}{groups}"] if groups else pd.Series(EVERYBODY, index=frame.index)
    return _filled(frame.assign(group=group, weight=1.0))


def check_groups(table: Table, groups: str | None) -> None:
    """Raise `UsageError` for a column of listeners that a table does not have."""
    if groups is not None and groups not in table.listener_columns:
        have = ", ".join(table.listener_columns) or "none"
        raise UsageError(f"--groups {groups}: no such column of listeners; valid: {have}.")


def _vote_rows(table: Table, groups: str | None) -> pd.DataFrame:
    if groups is not None:
        raise UsageError(f"--groups {groups}: a table of votes has no single listeners. Leave --groups out.")
    frame = table.frame.assign(group=EVERYBODY, listener=EVERYBODY, weight=table.frame["votes"])
    rates = frame[frame["rate"].notna()]
    hits = rates["rate"] * rates["listeners"].astype("float64")
    right = rates.assign(weight=hits)
    wrong = rates.assign(weight=rates["listeners"].astype("float64") - hits, answer=ANOTHER)
    rows = pd.concat([frame[frame["rate"].isna()], right, wrong], ignore_index=True)
    return _filled(rows[rows["weight"].astype("float64") > 0].reset_index(drop=True))


def _filled(frame: pd.DataFrame) -> pd.DataFrame:
    names = ("group", "language", "dialect")
    filled = {
        name: frame[name].where(frame[name].notna(), UNKNOWN if name == "group" else "") for name in names
    }
    return frame.assign(**filled)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return emotions in sercl's order, then other answers."""
    given = set(names)
    return (*(name for name in EMOTIONS if name in given), *sorted(given - set(EMOTIONS)))


def _indices(values: "pd.Series[str]", names: Sequence[str]) -> Indices:
    return np.asarray(pd.Index(names).get_indexer(pd.Index(values)), dtype=np.int64)
