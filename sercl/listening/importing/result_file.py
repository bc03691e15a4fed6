"""One result file: its format, and what its cells mean."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sercl.corpora.cells import clean, key_of, text_of
from sercl.corpora.emotion_names import to_emotion
from sercl.counting import count
from sercl.errors import RatingsError, UnknownNameError, UsageError
from sercl.listening.importing.records import Row, read_records
from sercl.listening.items import Items
from sercl.listening.ratings import CHOICE, COLUMNS, ITEM, LISTENER, RATINGS, VOTE_COLUMNS, VOTES

FORMATS = ("webmushra", "pymushra", "jspsych", "ratings", "votes", "rates")

UNSURE = "unsure"
"""The answer of somebody who did not want to choose."""

SCALES = ("answer", "confidence")

_UNANSWERED = frozenset(("", "na", "n/a", "null", "none", "undefined", "nan"))
_UNSURE = frozenset(
    ("unsure", "don't know", "dont know", "not sure", "weiß nicht", "unsicher", "不确定", "不知道")
)
_OWN = {*COLUMNS, *VOTE_COLUMNS, "milliseconds"} - {"source"}
_MOST = 2**31
"""Largest accepted number of votes, listeners or trials."""


@dataclass(frozen=True)
class ImportOptions:
    """How result files are read.

    Args:
        format: webmushra, pymushra, jspsych, ratings, votes or rates; by default found from the columns.
        columns: Which column is which, such as `{item: file, answer: resp, listener_native: L1}`: sercl's
            name -> name in the file.
        answers: Answers that are not words for emotions, such as `{1: angry, 2: happy}`.
        choices: Buttons of jsPsych in order, whose index is in `response`.
        scales: What the scales of a rating are, in order: `answer`, `confidence`, or a name of your own,
            which is left out and counted.
        raters: Number of listeners behind each rate, where no column says so.
    """

    format: str = "auto"
    columns: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    choices: list[str] = field(default_factory=list)
    scales: list[str] = field(default_factory=lambda: list(SCALES))
    raters: int | None = None

    def __post_init__(self) -> None:
        if self.format not in ("auto", *FORMATS):
            raise UnknownNameError("format of results", self.format, ("auto", *FORMATS))
        for name in self.columns:
            if name not in _OWN and not name.startswith(LISTENER):
                raise UnknownNameError("column", name, sorted(_OWN), f"Or {LISTENER}NAME.")
        if "answer" not in self.scales:
            raise UsageError(f"scales are {', '.join(self.scales)}: one of them must be `answer`.")
        if self.raters is not None and self.raters < 1:
            raise UsageError(f"raters: {self.raters}; at least 1 is needed.")


@dataclass(frozen=True)
class Fault:
    """A row that cannot be used."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


class BadRowError(UsageError):
    """Why a row cannot be used; the caller adds where it is."""


class ResultFile:
    """One file while it is read.

    Attributes:
        kind: Whether it holds ratings or votes.
        faults: Rows that could not be used so far.
        left_out: What was left out so far -> how often.
    """

    def __init__(self, path: Path, items: Items, options: ImportOptions) -> None:
        self.path, self.items, self.options = path, items, options
        self.faults: list[Fault] = []
        self.left_out: Counter[str] = Counter()
        self.assumed: list[str] = []
        self.columns, self.records = read_records(path)
        self.format = format_of(path, self.columns, options)
        self.kind = VOTES if self.format in ("votes", "rates") else RATINGS
        self._words = {key_of(str(label)): answer for label, answer in options.answers.items()}

    def notes(self) -> list[str]:
        """Return what was left out or assumed."""
        left = [f"{self.path.name}: left out {count(number, what)}" for what, number in self.left_out.items()]
        return [*left, *(f"{self.path.name}: {text}" for text in self.assumed)]

    def assume(self, text: str) -> None:
        """Note once what was assumed."""
        if text not in self.assumed:
            self.assumed.append(text)

    def cell(self, row: Row, name: str, *others: str) -> str | None:
        """Return the text of the column that stands for `name`; None where it is missing or empty."""
        for column in (self.options.columns.get(name, name), *others):
            if (found := row.get(key_of(column))) is not None and clean(text_of(found)):
                return clean(text_of(found))
        return None

    def needed(self, row: Row, name: str, *others: str) -> str:
        """Return the text of a column.

        Raises:
            UsageError: If it is empty.
        """
        found = self.cell(row, name, *others)
        if found is None:
            raise BadRowError(f"no {name}: column {self.options.columns.get(name, name)!r} is empty")
        return found

    def number(self, row: Row, name: str, *others: str, per: float = 1.0) -> float | None:
        """Return a number of a column; None where it is empty or unanswered."""
        found = self.cell(row, name, *others)
        if found is None or found.lower() in _UNANSWERED:
            return None
        try:
            value = float(found)
        except ValueError:
            raise BadRowError(f"{name} is {found!r}, not a number") from None
        if not math.isfinite(value):
            raise BadRowError(f"{name} is {found!r}, not a finite number")
        return value / per

    def whole(self, row: Row, name: str, *others: str) -> int | None:
        """Return a whole number of a column, 0 or more; None where it is empty or unanswered."""
        found = self.number(row, name, *others)
        if found is not None and (found != int(found) or not 0 <= found <= _MOST):
            raise BadRowError(f"{name} is {found:g}; a whole number from 0 to {_MOST} is needed")
        return None if found is None else int(found)

    def is_mapped(self, word: str) -> bool:
        """Return whether the user has said what an answer means."""
        return key_of(word) in self._words

    def answer(self, text: str | None) -> str | None:
        """Return the emotion of an answer; None if there was none.

        Raises:
            UsageError: For a word that is neither an emotion nor mapped.
        """
        word = clean(text or "")
        if (mapped := self._words.get(key_of(word))) is not None:
            return UNSURE if key_of(mapped) in _UNSURE else to_emotion(mapped)
        if key_of(word) in _UNSURE:
            return UNSURE
        if key_of(word) in _UNANSWERED:
            return None
        try:
            return to_emotion(word)
        except UnknownNameError:
            raise BadRowError(
                f"answer {word!r} is not a word for an emotion; map it with --answers"
            ) from None

    def about(self, name: str) -> dict[str, Any]:
        """Return the columns that describe an item, and those that follow from it."""
        facts = self.items.find(name).facts
        known = (
            {"task": CHOICE, "kind": ITEM, "protocol": self.items.protocol} if self.kind == RATINGS else {}
        )
        return {
            **known,
            **(facts if self.kind == RATINGS else {k: v for k, v in facts.items() if k in VOTE_COLUMNS}),
        }


def format_of(path: Path, columns: Sequence[str], options: ImportOptions) -> str:
    """Return the format of a file with some columns.

    Raises:
        RatingsError: If the columns are of no known format.
    """
    if options.format != "auto":
        return options.format
    have = {key_of(column) for column in columns}
    named = {name for name, column in options.columns.items() if key_of(column) in have} | have
    for name, needed in _SIGNS:
        if needed <= named:
            return name
    if "item" in named and len(emotion_columns(have)) > 1:
        return "votes"
    raise RatingsError(
        path,
        None,
        f"is of no known format: its columns are {', '.join(columns[:12])}. Say which is which, such as "
        "--columns '{item: file, answer: response, listener: participant}'.",
    )


_SIGNS: Sequence[tuple[str, set[str]]] = (
    ("pymushra", {"responses_stimulus", "responses_stimulusrating"}),
    ("webmushra", {"stimuli", "stimuli_rating", "rating_time"}),
    ("webmushra", {"stimuli", "stimuli_rating1", "rating_time"}),
    ("jspsych", {"trial_type", "trial_index"}),
    ("pymushra", {"stimulus", "stimulusrating"}),
    ("votes", {"item", "answer", "votes"}),
    ("rates", {"item", "rate"}),
    ("ratings", {"listener", "item", "answer"}),
    ("ratings", {"listener", "item", "start", "end"}),
)
"""Format -> columns that only it has."""


def emotion_columns(columns: Iterable[str]) -> dict[str, str]:
    """Return column -> emotion of those that are words for one."""
    found = {}
    for name in columns:
        try:
            found[name] = to_emotion(name)
        except UnknownNameError:
            continue
    return found
