"""Results of listening tests of any tool -> a table of ratings, or of votes; every bad row with its line.

* webMUSHRA: `lss.csv` and `lms.csv` (`session_test_id`, the questionnaire, `trial_id`, `stimuli_rating`, or
  `stimuli_rating1..n` for several scales, `stimuli`, `rating_time` in ms; "NA" is unanswered).
* pymushra: its CSV (`responses_stimulusRating`, ...; separated by semicolons) and JSON.
* jsPsych: CSV or JSON of one participant or many; `response` is the index of a button or the answer itself.
* sercl's own tables (Parquet).
* sercl's own columns in another file, or any table with `columns` that say which is which.
* Votes per item (a column per emotion, or `item`, `answer`, `votes`), and recognition rates per item
  (`rate`).
"""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from sercl.corpora.cells import clean, key_of, text_of, word_of
from sercl.corpora.emotion_names import to_emotion
from sercl.corpora.tables import find_delimiter
from sercl.corpora.text_files import UnknownEncodingError, decode
from sercl.counting import count
from sercl.documents import parse_json
from sercl.errors import DocumentError, RatingsError, UnknownNameError, UsageError
from sercl.listening.items import Items
from sercl.listening.ratings import (
    CHOICE,
    COLUMNS,
    ITEM,
    LISTENER,
    RATINGS,
    SEGMENTS,
    VOTE_COLUMNS,
    VOTES,
    Table,
    read_table,
    table_of,
)

FORMATS = ("webmushra", "pymushra", "jspsych", "ratings", "votes", "rates")

UNSURE = "unsure"
"""The answer of somebody who did not want to choose."""

SCALES = ("answer", "confidence")

_UNANSWERED = frozenset(("", "na", "n/a", "null", "none", "undefined", "nan"))
_UNSURE = frozenset(
    ("unsure", "don't know", "dont know", "not sure", "weiß nicht", "unsicher", "不确定", "不知道")
)
_LISTENERS = (
    "listener", "participant", "participant_id", "participantid", "subject", "subject_id", "prolific_pid",
    "workerid", "worker_id", "session_uuid", "uuid", "id", "code", "name", "email",
)  # fmt: skip
"""Names of columns that tell listeners apart, best first."""
_PERSONAL = ("name", "email", "e-mail", "mail", "firstname", "lastname")
"""Columns that are not copied: they would name people."""
_OWN = {*COLUMNS, *VOTE_COLUMNS, "milliseconds"} - {"source"}
_PREFIXES = ("responses_", "questionaire_", "questionnaire_", "wm_")
_BY_ITSELF = "confidence_by_itself"
_INDEX = re.compile("[0-9]{1,6}")
_MOST = 2**31
"""Largest accepted number of votes, listeners or trials."""
_SCALE = re.compile(r"stimuli_rating([0-9]{0,3})")


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


@dataclass(frozen=True)
class Imported:
    """What files hold.

    Attributes:
        table: Their usable rows.
        formats: File -> its format.
        faults: Rows that cannot be used.
        notes: What was left out or assumed, a sentence each.
    """

    table: Table
    formats: Mapping[Path, str]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]


class _BadRowError(UsageError):
    """Why a row cannot be used; the caller adds where it is."""


Row = Mapping[str, Any]
"""Column, in its normal form -> cell."""


def import_files(paths: Sequence[Path], items: Items, options: ImportOptions = ImportOptions()) -> Imported:
    """Read result files as one table.

    Args:
        paths: The files; all hold ratings, or all hold votes.
        items: What is known of the items.
        options: How they are read.

    Raises:
        RatingsError: For a file that cannot be read at all, or of an unknown format.
        UsageError: For files of both kinds, or none; for options that have no effect on them.
    """
    if not paths:
        raise UsageError("no file was given: name the results of a listening test.")
    if all(map(is_own, paths)) and (items.path is not None or options != ImportOptions()):
        raise UsageError(
            "a table of sercl's own is taken as it is: items, format, columns and the like have no effect. "
            "Leave them out."
        )
    read = [_Own(path) if is_own(path) else _File(path, items, options) for path in paths]
    rows = [own.with_confidences(list(own.rows())) for own in read]
    kinds = {own.kind: own.path for own in read}
    if len(kinds) > 1:
        found = ", ".join(f"{path} has {kind}" for kind, path in kinds.items())
        raise UsageError(f"files of two kinds ({found}). Import each kind by itself.")
    (kind,) = kinds
    every = [row for own in rows for row in own]
    table = table_of(kind, _numbered(every) if kind == RATINGS else every)
    notes = dict.fromkeys(note for own in read for note in own.notes())
    faults = tuple(fault for own in read for fault in own.faults)
    return Imported(table, {own.path: own.format for own in read}, faults, tuple(notes))


def is_own(path: Path) -> bool:
    """Return whether a file is a table that sercl has written."""
    return path.suffix.lower() == ".parquet"


class _Own:
    """A table of sercl's own, which is taken as it is: of `sercl listen answers`, or of an earlier import."""

    format = "sercl"
    faults: tuple[Fault, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path, table = path, read_table(path)
        self.kind, self.frame = table.kind, table.frame

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows, without what is unknown."""
        for row in self.frame.to_dict("records"):
            yield {str(name): value for name, value in row.items() if not pd.isna(value)}

    def with_confidences(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the rows, which have their confidences."""
        return list(rows)

    def notes(self) -> list[str]:
        """Nothing is left out or assumed."""
        return []


class _File:
    """One file while it is read."""

    def __init__(self, path: Path, items: Items, options: ImportOptions) -> None:
        self.path, self.items, self.options = path, items, options
        self.faults: list[Fault] = []
        self.left_out: Counter[str] = Counter()
        self.assumed: list[str] = []
        self.columns, self.records = _records(path)
        self.format = _format_of(path, self.columns, options)
        self.kind = VOTES if self.format in ("votes", "rates") else RATINGS
        self.words = {_form(label): answer for label, answer in options.answers.items()}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the usable rows, and collect the others."""
        read = _READERS[self.format]
        for line, record in self.records:
            if isinstance(record, str):
                self.faults.append(Fault(self.path, line, record))
                continue
            try:
                for row in read(self, record):
                    yield {**row, "source": f"{self.path.name}:{line}"}
            except UsageError as error:
                self.faults.append(Fault(self.path, line, str(error)))

    def with_confidences(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Add confidences that were asked for by themselves to the answer before."""
        answers: list[dict[str, Any]] = []
        last: dict[tuple[str, str], dict[str, Any]] = {}
        for row in rows:
            key = row["item"], row.get("listener", "")
            if not row.pop(_BY_ITSELF, False):
                answers.append(row)
                last[key] = row
            elif key in last:
                last[key]["confidence"] = row["confidence"]
            else:
                line = int(row["source"].rpartition(":")[2])
                self.faults.append(Fault(self.path, line, f"confidence without an answer to {row['item']!r}"))
        return answers

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
            raise _BadRowError(f"no {name}: column {self.options.columns.get(name, name)!r} is empty")
        return found

    def number(self, row: Row, name: str, *others: str, per: float = 1.0) -> float | None:
        """Return a number of a column; None where it is empty or unanswered."""
        found = self.cell(row, name, *others)
        if found is None or found.lower() in _UNANSWERED:
            return None
        try:
            value = float(found)
        except ValueError:
            raise _BadRowError(f"{name} is {found!r}, not a number") from None
        if not math.isfinite(value):
            raise _BadRowError(f"{name} is {found!r}, not a finite number")
        return value / per

    def answer(self, text: str | None) -> str | None:
        """Return the emotion of an answer; None if there was none.

        Raises:
            UsageError: For a word that is neither an emotion nor mapped.
        """
        word = clean(text or "")
        if (mapped := self.words.get(_form(word))) is not None:
            return UNSURE if key_of(mapped) in _UNSURE else to_emotion(mapped)
        if key_of(word) in _UNSURE:
            return UNSURE
        if key_of(word) in _UNANSWERED:
            return None
        try:
            return to_emotion(word)
        except UnknownNameError:
            raise _BadRowError(
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


Records = Iterator[tuple[int, Row | str]]
"""(line, cells by column, or what is wrong with the line)."""


def _records(path: Path) -> tuple[list[str], Records]:
    """Return the columns of a file in their normal form, and its rows."""
    if path.is_dir():
        raise RatingsError(path, None, "is a folder. Name the files in it.")
    try:
        text = decode(path.read_bytes())
    except FileNotFoundError as error:
        raise RatingsError(path, None, "no such file. Check the path.") from error
    except (OSError, UnknownEncodingError) as error:
        raise RatingsError(path, None, f"cannot be read ({error}).") from error
    suffix = path.suffix.lower()
    if suffix in (".json", ".jsonl"):
        return _json_records(path, text, suffix)
    if suffix in (".csv", ".tsv", ".txt"):
        return _delimited_records(path, text)
    raise UnknownNameError("format of results", suffix, (".csv", ".tsv", ".txt", ".json", ".jsonl"))


def _delimited_records(path: Path, text: str) -> tuple[list[str], Records]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=find_delimiter(text, ","))
    try:
        header = next((row for row in reader if any(map(str.strip, row))), None)
    except csv.Error as error:
        raise RatingsError(path, 1, f"not readable ({error}). Check the quotation marks.") from error
    if header is None:
        raise RatingsError(path, None, "is empty.")
    columns = [key_of(cell) for cell in header]
    twice = [name for name, number in Counter(filter(None, columns)).items() if number > 1]
    if twice:
        raise RatingsError(path, 1, f"has the column {twice[0]!r} twice. Give every column a unique name.")

    def rows() -> Records:
        line = reader.line_num + 1
        try:
            for cells in reader:
                if any(map(str.strip, cells)) and cells != header:
                    yield line, _row(columns, cells)
                line = reader.line_num + 1
        except csv.Error as error:
            yield line, f"not readable ({error}); what follows it is lost"

    return columns, rows()


def _row(columns: Sequence[str], cells: Sequence[str]) -> Row | str:
    if len(cells) != len(columns):
        return f"{count(len(cells), 'cell')}, but the header has {count(len(columns), 'column')}"
    return dict(zip(columns, cells, strict=True))


def _json_records(path: Path, text: str, suffix: str) -> tuple[list[str], Records]:
    found: list[tuple[int, Row | str]] = []
    if suffix == ".jsonl":
        for line, part in enumerate(text.splitlines(), start=1):
            if part.strip():
                found += _of_json(path, line, part, each=False)
    else:
        found = _of_json(path, 1, text, each=True)
    columns = dict.fromkeys(name for _, own in found if not isinstance(own, str) for name in own)
    return list(columns), iter(found)


def _of_json(path: Path, line: int, text: str, each: bool) -> list[tuple[int, Row | str]]:
    """Return the objects in JSON; of a list, the number of each stands for its line."""
    try:
        content = parse_json(text)
    except DocumentError as error:
        if each:
            raise RatingsError(path, error.line, f"{error.reason}.") from error
        return [(line, error.reason)]
    flat = _flattened(content)
    return [
        (number if each else line, {key_of(str(name)): cell for name, cell in own.items()})
        if isinstance(own, dict)
        else (number if each else line, "is not a JSON object")
        for number, own in enumerate(flat, start=1)
    ]


def _flattened(content: Any) -> list[Any]:
    """Return the objects of a list; jsPsych data of several participants may be a list of lists."""
    if not isinstance(content, list):
        return [content]
    return [own for part in content for own in (part if isinstance(part, list) else [part])]


def _format_of(path: Path, columns: Sequence[str], options: ImportOptions) -> str:
    if options.format != "auto":
        return options.format
    have = {key_of(column) for column in columns}
    named = {name for name, column in options.columns.items() if key_of(column) in have} | have
    for name, needed in _SIGNS:
        if needed <= named:
            return name
    if "item" in named and len(_emotion_columns(have)) > 1:
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


def _emotion_columns(columns: Iterable[str]) -> dict[str, str]:
    """Return column -> emotion of those that are words for one."""
    found = {}
    for name in columns:
        try:
            found[name] = to_emotion(name)
        except UnknownNameError:
            continue
    return found


def _webmushra(file: _File, row: Row) -> Iterator[dict[str, Any]]:
    scales = sorted((int(own[1] or 1), name) for name in row if (own := _SCALE.fullmatch(name)))
    values = [row[name] for _, name in scales]
    about = file.about(file.needed(row, "item", "stimuli"))
    people = {
        name: cell for name, cell in row.items() if not _SCALE.fullmatch(name) and name not in _WEBMUSHRA
    }
    yield {
        **about,
        **_listener(file, people),
        **_scales(file, values),
        "session": file.cell(row, "session", "session_test_id"),
        "seconds": file.number(row, "milliseconds", "rating_time", per=1000),
        "block": about.get("block") or file.cell(row, "block", "trial_id"),
    }


_WEBMUSHRA = ("session_test_id", "trial_id", "stimuli", "rating_time")


def _pymushra(file: _File, row: Row) -> Iterator[dict[str, Any]]:
    plain = {_without_prefix(name): cell for name, cell in row.items()}
    rating = plain.get("stimulusrating")
    about = file.about(file.needed(plain, "item", "stimulus"))
    people = {name: cell for name, cell in plain.items() if name not in _PYMUSHRA}
    yield {
        **about,
        **_listener(file, people),
        **_scales(file, _listed(rating)),
        "session": file.cell(plain, "session", "uuid", "date"),
        "seconds": file.number(plain, "milliseconds", "time", per=1000),
        "block": about.get("block") or file.cell(plain, "block", "id"),
    }


_PYMUSHRA = (
    "stimulus",
    "stimulusrating",
    "time",
    "date",
    "id",
    "type",
    "testid",
    "config",
    "comment",
    "score",
)


def _without_prefix(name: str) -> str:
    return next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)


def _listed(rating: Any) -> list[Any]:
    """Return the scales of a rating: a list, or one written as text ("['angry', 5]")."""
    if isinstance(rating, list):
        return rating
    text = clean(text_of(rating)) if rating is not None else ""
    if not text.startswith("["):
        return [text]
    return [part.strip().strip("'\"") for part in text.strip("[]").split(",")]


def _scales(file: _File, values: Sequence[Any]) -> dict[str, Any]:
    """Return the answer and the confidence of a rating."""
    names = file.options.scales
    if len(values) > len(names):
        raise _BadRowError(f"{count(len(values), 'scale')}; name them all with --scales")
    found = dict(zip(names, values, strict=False))
    for name in found:
        if name not in SCALES:
            file.left_out[f"rating of the scale {name!r}"] += 1
    own = {key_of(name): value for name, value in found.items() if name == "confidence"}
    return {
        "answer": file.answer(text_of(found["answer"]) if "answer" in found else None),
        "confidence": file.number(own, "confidence"),
    }


def _jspsych(file: _File, row: Row) -> Iterator[dict[str, Any]]:
    kind = file.cell(row, "trial_type") or "unknown"
    name = file.cell(row, "item", "key") or (file.cell(row, "stimulus") if "audio" in kind else None)
    if name is None or key_of(file.options.columns.get("answer", "response")) not in row:
        file.left_out[f"trial of {kind}"] += 1
        return
    about = file.about(_first_of(name))
    people = {
        key: cell for key, cell in row.items() if key in map(key_of, _LISTENERS) or key.startswith(LISTENER)
    }
    if not people and "listener" not in file.options.columns:
        file.assume("no column tells listeners apart: the file is taken as one listener")
        people = {"listener": file.path.stem}
    who = _listener(file, {**people, **_mapped(file, row)})
    if file.cell(row, "question") == "confidence":
        yield {
            **about,
            **who,
            "confidence": file.number({"confidence": _choice(file, row)}, "confidence"),
            _BY_ITSELF: True,
        }
        return
    answer, confidence = _pressed(file, row)
    if file.items.path is None:
        about |= {name: text for name in ("kind", "protocol") if (text := file.cell(row, name))}
    yield {
        **about,
        **who,
        "answer": answer,
        "confidence": confidence,
        "session": file.cell(row, "session", "session_id", "run_id"),
        "seconds": file.number(row, "milliseconds", "rt", per=1000),
        "order": _whole(file, row, "order", "trial_index") or 0,
        "block": about.get("block") or file.cell(row, "block"),
    }


def _mapped(file: _File, row: Row) -> dict[str, Any]:
    """Return the cells of columns that the user has named."""
    return {key: row[key] for own in file.options.columns.values() if (key := key_of(own)) in row}


def _first_of(name: str) -> str:
    """Return the first of stimuli written as a JSON list."""
    if not name.startswith("["):
        return name
    try:
        return str(parse_json(name)[0])
    except (DocumentError, IndexError) as error:
        raise _BadRowError(f"stimulus {name[:40]!r} is not a list of files") from error


def _pressed(file: _File, row: Row) -> tuple[str | None, float | None]:
    """Return the answer of a trial, and the confidence of a form that asks for it."""
    given = row.get(key_of(file.options.columns.get("answer", "response")))
    if isinstance(given, str) and given.startswith("{"):
        try:
            given = parse_json(given)
        except DocumentError as error:
            raise _BadRowError(f"response {given[:40]!r} is not valid JSON") from error
    if isinstance(given, Mapping):
        form = {key_of(str(name)): value for name, value in given.items()}
        answer = form["answer"] if "answer" in form else next(iter(form.values()), None)
        return file.answer(word_of(answer)), file.number(form, "confidence")
    word = word_of(given)
    is_index = word is not None and _INDEX.fullmatch(word) and _form(word) not in file.words
    answer = _choice(file, row) if is_index else word
    return file.answer(answer), file.number(row, "confidence")


def _choice(file: _File, row: Row) -> str:
    """Return the button whose index is the response."""
    word = word_of(row.get(key_of(file.options.columns.get("answer", "response")))) or ""
    buttons = file.options.choices
    if not buttons or file.cell(row, "question") == "confidence":
        buttons = _listed(row.get("answers") or row.get("choices") or "[]")
    if not _INDEX.fullmatch(word) or int(word) >= len(buttons) or list(buttons) == [""]:
        raise _BadRowError(f"response {word!r} is the index of a button; name the buttons with --choices")
    return text_of(buttons[int(word)])


def _listener(file: _File, people: Row) -> dict[str, Any]:
    """Return the listener and what is known about them, from the columns of a questionnaire."""
    wanted = file.options.columns.get("listener")
    names = [key_of(wanted)] if wanted else [name for name in _LISTENERS if name in people]
    name = next((own for own in names if own in people and clean(text_of(people[own] or ""))), None)
    if name is None:
        raise _BadRowError(
            f"no column tells who answered (found: {', '.join(people) or 'none'}); name it with --columns "
            "'{listener: COLUMN}'"
        )
    if not wanted:
        file.assume(f"listeners are told apart by the column {name!r}")
    given = {key_of(own): key for key, own in file.options.columns.items() if key.startswith(LISTENER)}
    return {"listener": clean(text_of(people[name])), **_background(file, people, name, given)}


def _background(file: _File, people: Row, name: str, given: Mapping[str, str]) -> dict[str, str]:
    used = {key_of(own) for key, own in file.options.columns.items() if not key.startswith(LISTENER)}
    known = {}
    for column, cell in people.items():
        if column == name or column in used:
            continue
        if column in _PERSONAL and column not in given:
            file.assume(f"the column {column!r} is not copied, since it may name people")
            continue
        if column in _LISTENERS and column not in given:
            continue
        if (word := word_of(cell)) is not None:
            own = given.get(column, f"{LISTENER}{column.removeprefix(LISTENER).replace(' ', '_')}")
            known[own] = word
    return known


def _ratings(file: _File, row: Row) -> Iterator[dict[str, Any]]:
    task = file.cell(row, "task")
    about = file.about(file.needed(row, "item"))
    own = {name: word for name in COLUMNS if name not in _SPECIAL and (word := word_of(file.cell(row, name)))}
    truth = file.cell(row, "truth")
    people = {name: cell for name, cell in row.items() if name.startswith(LISTENER)}
    named = {
        key: word
        for key in file.options.columns
        if key.startswith(LISTENER) and (word := file.cell(row, key))
    }
    start, end = file.number(row, "start"), file.number(row, "end")
    answer = file.answer(file.cell(row, "answer"))
    is_marked = start is not None or end is not None
    is_region = is_marked or SEGMENTS in (task, about.get("task"))
    if is_marked and (start is None or end is None or not 0 <= start < end):
        raise _BadRowError(
            f"a region from {start} to {end}; it must start at 0 or later and end after its start"
        )
    if is_region and not is_marked and answer is not None:
        raise _BadRowError(f"{answer!r} without a region; a row in which nothing was marked has no answer")
    yield {
        **own,
        **about,
        **({"truth": to_emotion(truth)} if truth and "truth" not in about else {}),
        **{name: word for name, cell in people.items() if (word := word_of(cell))},
        **named,
        "task": SEGMENTS if is_region else about.get("task", CHOICE),
        "kind": about.get("kind", ITEM) if about.get("kind", ITEM) != ITEM else own.get("kind", ITEM),
        "listener": file.needed(row, "listener"),
        "answer": answer,
        "confidence": file.number(row, "confidence"),
        "seconds": _seconds(file, row),
        "start": start,
        "end": end,
        "order": _whole(file, row, "order"),
        "repeat": _whole(file, row, "repeat"),
    }


_SPECIAL = (
    "item", "listener", "answer", "confidence", "seconds", "start", "end", "order", "repeat", "truth",
    "source", "task",
)  # fmt: skip


def _seconds(file: _File, row: Row) -> float | None:
    found = file.number(row, "seconds")
    return file.number(row, "milliseconds", per=1000) if found is None else found


def _whole(file: _File, row: Row, name: str, *others: str) -> int | None:
    found = file.number(row, name, *others)
    if found is not None and (found != int(found) or not 0 <= found <= _MOST):
        raise _BadRowError(f"{name} is {found:g}; a whole number from 0 to {_MOST} is needed")
    return None if found is None else int(found)


def _votes(file: _File, row: Row) -> Iterator[dict[str, Any]]:
    about = file.about(file.needed(row, "item", "clip", "utterance"))
    truth = file.cell(row, "truth")
    about |= {"truth": to_emotion(truth)} if truth and "truth" not in about else {}
    if file.cell(row, "votes") is not None:
        yield {
            **about,
            "answer": file.answer(file.needed(row, "answer")),
            "votes": _whole(file, row, "votes"),
        }
        return
    found = {}
    for column, emotion in _emotion_columns(row).items():
        if (number := _whole(file, {column: row[column]}, column)) is None:
            raise _BadRowError(f"no number of votes for {column}")
        found[emotion] = number
    if not sum(found.values()):
        raise _BadRowError("an item without votes")
    yield from ({**about, "answer": emotion, "votes": number} for emotion, number in found.items())


def _rates(file: _File, row: Row) -> Iterator[dict[str, Any]]:
    about = file.about(file.needed(row, "item", "clip", "utterance"))
    answer = file.cell(row, "answer") or file.cell(row, "truth") or about.get("truth")
    if answer is None:
        raise _BadRowError("a rate of which answer? Give the truth of the items with --items")
    rate = file.number(row, "rate")
    listeners = _whole(file, row, "listeners") or file.options.raters
    if rate is None or not 0 <= rate <= 100:
        raise _BadRowError(f"rate is {rate}; a share from 0 to 1, or a percentage, is needed")
    if listeners is None:
        raise _BadRowError("no number of listeners; give it with --raters")
    emotion = file.answer(answer)
    yield {
        **about,
        "truth": about.get("truth") or emotion,
        "answer": emotion,
        "rate": rate,
        "listeners": listeners,
    }


_READERS: Mapping[str, Callable[[_File, Row], Iterator[dict[str, Any]]]] = {
    "webmushra": _webmushra,
    "pymushra": _pymushra,
    "jspsych": _jspsych,
    "ratings": _ratings,
    "votes": _votes,
    "rates": _rates,
}


def _form(label: str) -> str:
    return key_of(str(label))


def _numbered(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Number the answers of each listener, and repetitions of an item, where the file does not."""
    answers: Counter[str] = Counter()
    seen: dict[tuple[str, str, str], int] = {}
    numbered = []
    for row in rows:
        key = (row["listener"], row["item"], row["task"])
        again = seen.get(key, -1) + (row["task"] == CHOICE or key not in seen)
        seen[key] = again
        order = row["order"] if row.get("order") is not None else answers[row["listener"]]
        answers[row["listener"]] += 1
        numbered.append(
            {**row, "order": order, "repeat": row["repeat"] if row.get("repeat") is not None else again}
        )
    return numbered


def in_shares(imported: Imported) -> Imported:
    """Return rates as shares from 0 to 1: percentages, if one is above 1."""
    frame = imported.table.frame
    if imported.table.kind != VOTES or not (frame["rate"] > 1).any():
        return imported
    scaled = frame.assign(rate=frame["rate"] / 100)
    note = "rates are read as percentages, since one is above 1"
    return replace(imported, table=Table(VOTES, scaled), notes=(*imported.notes, note))


def faults_text(faults: Sequence[Fault], most: int = 20) -> str:
    """Return the bad rows, a line each, and how many more there are."""
    lines = [str(fault) for fault in faults[:most]]
    return "\n".join([*lines, *([f"... and {len(faults) - most} more"] if len(faults) > most else [])])


def content_of(imported: Imported) -> dict[str, Any]:
    """Return what was read, as plain data for JSON."""
    frame = imported.table.frame
    return {
        "kind": imported.table.kind,
        "formats": {str(path): name for path, name in imported.formats.items()},
        "rows": len(frame),
        "items": int(frame["item"].nunique()),
        "listeners": int(frame["listener"].nunique()) if imported.table.kind == RATINGS else None,
        "unanswered": int(frame["answer"].isna().sum()),
        "faults": [
            {"path": str(own.path), "line": own.line, "message": own.message} for own in imported.faults
        ],
        "notes": list(imported.notes),
    }
