"""What the administrator sees of a running test: progress, times, failed checks, counts. No torch."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isnan
from statistics import median
from typing import Any

from sercl.documents import parse_json
from sercl.errors import UsageError
from sercl.listening.monitoring import MonitorOptions, monitor
from sercl.listening.protocol import ATTENTION, ITEM, REPEAT, SEGMENTS, Protocol
from sercl.listening.serving.rows import finished_in, ratings_in
from sercl.listening.serving.sessions import open_link, places_left

_IDLE = 3600.0
"""After so many seconds without an answer, an unfinished session counts as dropped out."""


def overview(base: sqlite3.Connection, protocol: Protocol, target: MonitorOptions) -> dict[str, Any]:
    """Return everything that the administrator's page shows, without what listeners said about themselves."""
    answers = _answers(base)
    links = [_link(row, answers.get(row["session"], []), protocol) for row in _links(base)]
    opened = open_link(base)
    return {
        "title": protocol.title,
        "hash": protocol.hash,
        "items": len(protocol.items),
        "states": Counter(link["state"] for link in links),
        "answers": sum(map(len, answers.values())),
        "seconds": _median([each["seconds"] for rows in answers.values() for each in rows]),
        "minutes": _median([link["minutes"] for link in links if link["state"] == "finished"]),
        "checks": _checks([each for rows in answers.values() for each in rows], protocol),
        "links": links,
        "open": {"token": opened["token"], "cap": opened["cap"], "left": places_left(base)}
        if opened
        else None,
        "cells": _cells(answers, protocol),
        "verdict": _verdict(base, protocol, target),
    }


def _verdict(base: sqlite3.Connection, protocol: Protocol, target: MonitorOptions) -> dict[str, Any]:
    """Return whether the test can stop; `problem` says why nothing is known yet."""
    try:
        found = monitor(ratings_in(base, protocol), target, finished=finished_in(base, protocol))
    except UsageError as error:
        return {"problem": str(error), "can_stop": False, "rows": []}
    rows = [
        {
            "name": own.name,
            "value": _known(own.value),
            "low": _known(own.low),
            "high": _known(own.high),
            "listeners": own.listeners,
            "advice": own.text,
        }
        for own in found.verdicts
    ]
    return {"problem": "", "can_stop": found.can_stop, "rows": rows}


def _known(value: float) -> float | None:
    return None if isnan(value) else round(value, 4)


def _links(base: sqlite3.Connection) -> list[sqlite3.Row]:
    return base.execute(
        "SELECT links.token, label, is_open, session, listener, protocol, language, started, seen, finished, "
        "code FROM links LEFT JOIN sessions USING (token) ORDER BY links.entry"
    ).fetchall()


def _answers(base: sqlite3.Connection) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in base.execute("SELECT session, item, content FROM answers ORDER BY entry"):
        found.setdefault(row["session"], []).append({"item": row["item"], **parse_json(row["content"])})
    return found


def _link(row: sqlite3.Row, answers: Sequence[Mapping[str, Any]], protocol: Protocol) -> dict[str, Any]:
    return {
        "token": row["token"],
        "label": row["label"],
        "open": bool(row["is_open"]),
        "state": _state(row, protocol),
        "listener": row["listener"],
        "language": row["language"],
        "done": len(answers),
        "seconds": _median([each["seconds"] for each in answers]),
        "minutes": _minutes(row),
        "checks": _checks(answers, protocol),
        "seen": row["seen"],
        "code": row["code"],
    }


def _state(row: sqlite3.Row, protocol: Protocol) -> str:
    if row["session"] is None:
        return "not begun"
    if row["finished"]:
        return "finished"
    if row["protocol"] != protocol.hash:
        return "outdated"
    idle = datetime.now(UTC) - datetime.fromisoformat(row["seen"])
    return "dropped out" if idle.total_seconds() > _IDLE else "running"


def _minutes(row: sqlite3.Row) -> float | None:
    if row["session"] is None:
        return None
    length = datetime.fromisoformat(row["seen"]) - datetime.fromisoformat(row["started"])
    return round(length.total_seconds() / 60, 1)


def _checks(answers: Sequence[Mapping[str, Any]], protocol: Protocol) -> dict[str, int]:
    """Return how many attention checks were answered, and how many of them wrongly."""
    asked = [
        each["answer"] == protocol.by_key[each["item"]].truth
        for each in answers
        if each["kind"] == ATTENTION and each["item"] in protocol.by_key
    ]
    return {"asked": len(asked), "failed": asked.count(False)}


def _cells(answers: Mapping[str, Sequence[Mapping[str, Any]]], protocol: Protocol) -> list[dict[str, Any]]:
    """Return for each language, dialect and class the items, and the answers to them, repeats left out."""
    cell = {
        item.key: (item.language, item.dialect or "", item.truth or ("" if item.task == SEGMENTS else "?"))
        for item in protocol.of(ITEM)
    }
    items = Counter(cell.values())
    given = Counter(
        cell[each["item"]]
        for rows in answers.values()
        for each in rows
        if each["kind"] not in (REPEAT,) and each["item"] in cell
    )
    return [
        {"language": key[0], "dialect": key[1], "truth": key[2], "items": items[key], "answers": given[key]}
        for key in sorted(items)
    ]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(median(known), 2) if known else None
