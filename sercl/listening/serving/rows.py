"""The answers that are stored, as a table of ratings. No torch."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from sercl.documents import parse_json
from sercl.errors import ResultsError
from sercl.listening.instructions import LEVELS
from sercl.listening.protocol import REPEAT, SEGMENTS, Item, Protocol
from sercl.listening.ratings import LISTENER, RATINGS, Table, table_of
from sercl.listening.serving.store import DATABASE, LOG
from sercl.listening.serving.tables import connect_to_read

_QUERY = (
    "SELECT answers.*, listener, protocol, background FROM answers JOIN sessions USING (session) "
    "WHERE protocol = ? ORDER BY sessions.rowid, entry"
)

_FINISHED = "SELECT listener FROM sessions WHERE finished IS NOT NULL AND protocol = ?"


def ratings(folder: Path, protocol: Protocol) -> Table:
    """Return all answers to a test, practice included; a server may write meanwhile.

    Each answer is a row, each marked part one too. Of a recording in which no part was marked there is a row
    without answer, start and end.

    Args:
        folder: Of the answers.
        protocol: The test; answers to another version of it are left out.

    Raises:
        ResultsError: If there are no answers yet.
    """
    path = folder / DATABASE
    if not path.is_file():
        raise ResultsError(path, "no such file. Give the folder of the answers of a test.")
    with closing(connect_to_read(path)) as base:
        found = ratings_in(base, protocol)
    if not len(found.frame):
        raise ResultsError(path, "has no answers to this test yet.")
    return found


def ratings_in(base: sqlite3.Connection, protocol: Protocol) -> Table:
    """Return all answers to a test in an open database; see `ratings`."""
    rows = [row for answer in base.execute(_QUERY, (protocol.hash,)) for row in _rows(answer, protocol)]
    return table_of(RATINGS, rows)


def finished(folder: Path, protocol: Protocol) -> list[str]:
    """Return the listeners who have come to the end of a test; see `ratings`."""
    with closing(connect_to_read(folder / DATABASE)) as base:
        return finished_in(base, protocol)


def finished_in(base: sqlite3.Connection, protocol: Protocol) -> list[str]:
    """Return the listeners who have come to the end of a test, from an open database."""
    return [row["listener"] for row in base.execute(_FINISHED, (protocol.hash,))]


def _rows(answer: sqlite3.Row, protocol: Protocol) -> Iterator[dict[str, Any]]:
    content = parse_json(answer["content"])
    item = protocol.by_key[answer["item"]]
    row = {**_of_item(item), **_of_answer(answer, content), **_of_listener(answer)}
    if item.task != SEGMENTS:
        yield {**row, "answer": content["answer"]}
    for part in content["parts"] or ([{}] if item.task == SEGMENTS else []):
        yield {**row, **part}


def _of_item(item: Item) -> dict[str, Any]:
    return {
        "item": item.utterance,
        "corpus": item.corpus,
        "language": item.language,
        "dialect": item.dialect,
        "speaker": item.speaker,
        "gender": item.gender,
        "truth": item.truth,
        "task": item.task,
        "block": item.block,
        "repeat": int(item.kind == REPEAT),
        "kind": item.kind,
    }


def _of_answer(answer: sqlite3.Row, content: Mapping[str, Any]) -> dict[str, Any]:
    level = content["confidence"]
    return {
        "listener": answer["listener"],
        "session": answer["session"],
        "protocol": answer["protocol"],
        "confidence": None if level is None else (level - 1) / (LEVELS - 1),
        "seconds": content["seconds"],
        "order": content["order"],
        "source": f"{LOG}:{answer['entry']}",
    }


def _of_listener(answer: sqlite3.Row) -> dict[str, Any]:
    known = parse_json(answer["background"] or "{}")
    return {f"{LISTENER}{name}": value for name, value in known.items()}
