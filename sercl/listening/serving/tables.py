"""The database of a running listening test: what its log says, as tables. No torch.

Every change is an entry of the log first; `apply` is the only code that changes the tables. So they can be
made again from the log at any time, and both can be compared.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from sercl.listening.serving.journal import START, Entry

LINK, SESSION, BACKGROUND, ANSWER, EVENT, FINISH, WITHDRAW, OPEN = KINDS = (
    "link", "session", "background", "answer", "event", "finish", "withdraw", "open",
)  # fmt: skip
"""Kinds of entries of the log."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS head (number INTEGER NOT NULL, hash TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS links (
    token TEXT PRIMARY KEY, label TEXT NOT NULL, is_open INTEGER NOT NULL,
    entry INTEGER NOT NULL UNIQUE, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS open_links (token TEXT PRIMARY KEY, cap INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
    session TEXT PRIMARY KEY, token TEXT NOT NULL UNIQUE REFERENCES links ON DELETE CASCADE,
    listener TEXT NOT NULL UNIQUE, number INTEGER NOT NULL, protocol TEXT NOT NULL, language TEXT NOT NULL,
    started TEXT NOT NULL, seen TEXT NOT NULL, finished TEXT, code TEXT, background TEXT);
CREATE TABLE IF NOT EXISTS answers (
    session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE, id TEXT NOT NULL, item TEXT NOT NULL,
    entry INTEGER NOT NULL UNIQUE, at TEXT NOT NULL, content TEXT NOT NULL,
    PRIMARY KEY (session, id), UNIQUE (session, item));
CREATE TABLE IF NOT EXISTS events (
    entry INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
    what TEXT NOT NULL, at TEXT NOT NULL, content TEXT NOT NULL);
"""
_TABLES = ("head", "links", "open_links", "sessions", "answers", "events")


def connect(path: Path | str) -> sqlite3.Connection:
    """Open the database for writing, with its tables; transactions are begun by hand."""
    base = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    base.row_factory = sqlite3.Row
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        base.execute(f"PRAGMA {pragma}")
    base.executescript(_SCHEMA)
    if base.execute("SELECT count(*) FROM head").fetchone()[0] == 0:
        base.execute("INSERT INTO head VALUES (0, ?)", (START,))
    return base


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open the database for reading, which a server may write meanwhile."""
    base = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False, timeout=30
    )
    base.row_factory = sqlite3.Row
    return base


def head_of(base: sqlite3.Connection) -> tuple[int, str]:
    """Return number and hash of the last entry that the tables know."""
    row = base.execute("SELECT number, hash FROM head").fetchone()
    return row["number"], row["hash"]


def apply(base: sqlite3.Connection, entry: Entry) -> None:
    """Do to the tables what an entry says; one whose content was erased changes nothing."""
    if entry.content is not None:
        _APPLY[entry.kind](base, entry, entry.content)
    base.execute("UPDATE head SET number = ?, hash = ?", (entry.number, entry.hash))


def _link(base: sqlite3.Connection, entry: Entry, content: Mapping[str, Any]) -> None:
    base.execute(
        "INSERT INTO links VALUES (?, ?, ?, ?, ?)",
        (content["token"], content["label"], content["is_open"], entry.number, entry.at),
    )


def _open(base: sqlite3.Connection, entry: Entry, content: Mapping[str, Any]) -> None:
    base.execute("INSERT OR REPLACE INTO open_links VALUES (?, ?)", (content["token"], content["cap"]))


def _session(base: sqlite3.Connection, entry: Entry, content: Mapping[str, Any]) -> None:
    names = ("session", "token", "listener", "number", "protocol", "language")
    base.execute(
        "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
        (*(content[name] for name in names), entry.at, entry.at),
    )


def _background(base: sqlite3.Connection, entry: Entry, content: Mapping[str, Any]) -> None:
    base.execute(
        "UPDATE sessions SET background = ?, seen = ? WHERE session = ?",
        (_text(content["answers"]), entry.at, content["session"]),
    )


def _answer(base: sqlite3.Connection, entry: Entry, content: Mapping[str, Any]) -> None:
    rest = {name: value for name, value in content.items() if name not in ("id", "session", "item")}
    base.execute(
        "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)",
        (content["session"], content["id"], content["item"], entry.number, entry.at, _text(rest)),
    )
    base.execute("UPDATE sessions SET seen = ? WHERE session = ?", (entry.at, content["session"]))


def _event(base: sqlite3.Connection, entry: Entry, content: Mapping[str, Any]) -> None:
    base.execute(
        "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
        (entry.number, content["session"], content["what"], entry.at, _text(content["detail"])),
    )


def _finish(base: sqlite3.Connection, entry: Entry, content: Mapping[str, Any]) -> None:
    base.execute(
        "UPDATE sessions SET finished = ?, seen = ?, code = ? WHERE session = ?",
        (entry.at, entry.at, content["code"], content["session"]),
    )


def _withdraw(base: sqlite3.Connection, entry: Entry, content: Mapping[str, Any]) -> None:
    """Remove a person's link, and with it everything else, while the log is applied for the first time.

    When the tables are made again, the erased entries have added nothing.
    """
    base.execute(
        "DELETE FROM links WHERE entry IN (SELECT value FROM json_each(?))", (_text(content["entries"]),)
    )


def _text(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


_APPLY: Mapping[str, Callable[[sqlite3.Connection, Entry, Mapping[str, Any]], None]] = {
    LINK: _link, OPEN: _open, SESSION: _session, BACKGROUND: _background, ANSWER: _answer, EVENT: _event,
    FINISH: _finish, WITHDRAW: _withdraw,
}  # fmt: skip


def differences(base: sqlite3.Connection, log: Iterable[Entry]) -> list[str]:
    """Return the names of the tables that differ from what a log says."""
    with closing(connect(":memory:")) as other:
        other.execute("BEGIN")
        for entry in log:
            apply(other, entry)
        return [name for name in _TABLES if _content(base, name) != _content(other, name)]


def _content(base: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    return sorted(map(tuple, base.execute(f"SELECT * FROM {table}")), key=repr)
