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

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from sercl.errors import UsageError
from sercl.listening.importing.readers import BY_ITSELF, READERS
from sercl.listening.importing.result_file import Fault, ImportOptions, ResultFile
from sercl.listening.items import Items
from sercl.listening.ratings import CHOICE, RATINGS, VOTES, Table, read_table, table_of

_PARTICULARS = re.compile(r"'[^']*'|\d+")
"""What differs between messages of one kind."""


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
    read = [_Own(path) if is_own(path) else _Foreign(path, items, options) for path in paths]
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


class _Foreign(ResultFile):
    """A file that another tool has written, or sercl's own columns in another format."""

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the usable rows, and collect the others."""
        read = READERS[self.format]
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
            if not row.pop(BY_ITSELF, False):
                answers.append(row)
                last[key] = row
            elif key in last:
                last[key]["confidence"] = row["confidence"]
            else:
                line = int(row["source"].rpartition(":")[2])
                self.faults.append(Fault(self.path, line, f"confidence without an answer to {row['item']!r}"))
        return answers


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


def faults_text(faults: Sequence[Fault], each: int = 3, kinds: int = 10) -> str:
    """Return the first bad rows of each kind, a line each, and how many more there are.

    Args:
        faults: Why each row cannot be used; messages that differ in names and numbers only are of one kind.
        each: Maximum number of rows of a kind that are listed.
        kinds: Maximum number of kinds, so that no file fills the terminal.
    """
    found: dict[str, list[Fault]] = {}
    for fault in faults:
        found.setdefault(_PARTICULARS.sub("", fault.message), []).append(fault)
    lines: list[str] = []
    for own in list(found.values())[:kinds]:
        more = [f"... and {len(own) - each} more like this"] if len(own) > each else []
        lines += [*map(str, own[:each]), *more]
    others = sum(map(len, list(found.values())[kinds:]))
    return "\n".join([*lines, *([f"... and {others} for other reasons"] if others else [])])


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
