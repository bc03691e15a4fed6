"""The rules of a running listening test: who may begin, go on, answer and finish. No torch.

Every rule is a change (`store.Change`): it looks at the tables, and is followed by no other change before
what it decides is written. So two tabs, a double click or an answer that is sent again change nothing twice.
"""

import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sercl.documents import parse_json
from sercl.errors import SerclError, UsageError
from sercl.listening.instructions import LEVELS
from sercl.listening.order import presented_blocks
from sercl.listening.protocol import ATTENTION, PRACTICE, SEGMENTS, Item, Protocol
from sercl.listening.serving import headphones, questionnaire
from sercl.listening.serving.store import Change, Event
from sercl.listening.serving.tables import ANSWER, BACKGROUND, EVENT, FINISH, LINK, OPEN, SESSION

NEW, RUNNING, FINISHED, OUTDATED, EXPIRED = "new", "running", "finished", "outdated", "expired"
"""States of the session of a link."""

SHORTEST_PART = 0.1
"""Of a marked part, in s."""

_MOST_PARTS = 100
_MOST_EVENTS = 500
_MOST_SECONDS = 24 * 3600.0
_EVENTS = ("offline", "hidden", "no_audio")
"""What a page may report."""


class RefusedError(SerclError, ValueError):
    """Something that the state of a session does not allow.

    Args:
        reason: One word, for the page.
        message: What is wrong.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True)
class Part:
    """A marked part: start and end in s, and the emotion."""

    start: float
    end: float
    answer: str


@dataclass(frozen=True)
class Given:
    """An answer as a page sends it.

    Attributes:
        id: Made by the page; the same answer sent again has the same.
        item: Key of the item.
        answer: Of the task "choice".
        confidence: 1 to 5, if the test asks for it.
        seconds: From the first start of playing to the answer, by a clock that is never set.
        plays: How often the recording was started.
        parts: Of the task "segments".
    """

    id: str
    item: str
    answer: str | None = None
    confidence: int | None = None
    seconds: float | None = None
    plays: int = 0
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Rules:
    """A test that runs, and how.

    Attributes:
        protocol: The test.
        questions: About the listener.
        has_headphone_test: Whether it begins with one.
        days: A session that began longer ago cannot go on.
    """

    protocol: Protocol
    questions: tuple[questionnaire.Question, ...]
    has_headphone_test: bool = False
    days: float = 30.0

    def state(self, session: sqlite3.Row | None) -> str:
        """Return the state of a session."""
        if session is None:
            return NEW
        if session["finished"]:
            return FINISHED
        if session["protocol"] != self.protocol.hash:
            return OUTDATED
        age = datetime.now(UTC) - datetime.fromisoformat(session["started"])
        return EXPIRED if age.total_seconds() > self.days * 86400 else RUNNING

    def begin(self, token: str, language: str) -> Change:
        """Begin the session of a link, or go on with it; reports its id."""

        def change(base: sqlite3.Connection) -> tuple[Sequence[Event], str]:
            _check_link(base, token)
            session = session_of(base, token)
            if session is not None:
                self._check_running(session)
                return _noted(base, session["session"], "resumed"), str(session["session"])
            if language not in self.protocol.languages:
                raise RefusedError("language", f"valid languages: {', '.join(self.protocol.languages)}")
            content = {
                "session": secrets.token_hex(12),
                "token": token,
                "listener": f"L{secrets.token_hex(5)}",
                "number": _free_number(base, self.protocol.hash),
                "protocol": self.protocol.hash,
                "language": language,
            }
            return [(SESSION, content)], str(content["session"])

        return change

    def background(self, token: str, answers: Mapping[str, Any]) -> Change:
        """Store the answers to the questions about the listener; later ones replace earlier ones."""
        content = questionnaire.checked(self.questions, answers)

        def change(base: sqlite3.Connection) -> tuple[Sequence[Event], None]:
            session = self._running(base, token)
            if session["background"] and parse_json(session["background"]) == content:
                return [], None
            return [(BACKGROUND, {"session": session["session"], "answers": content})], None

        return change

    def answers(self, token: str, given: Sequence[Given]) -> Change:
        """Store answers; reports for each whether it was new, and of a practice item the right one."""
        for each in given:
            self._check(each)
        if len({each.id for each in given}) < len({each.item for each in given}):
            raise UsageError("id: each answer must have its own.")

        def change(base: sqlite3.Connection) -> tuple[Sequence[Event], list[dict[str, Any]]]:
            session = self._running(base, token)
            places = self.places(session["number"])
            known = _answered(base, session["session"])
            events: list[Event] = []
            results = []
            for each in given:
                if is_new := each.item not in known:
                    _check_id(base, session["session"], each.id)
                    known.add(each.item)
                    events.append((ANSWER, self._content(each, session["session"], places[each.item])))
                results.append({"id": each.id, "new": is_new, **self._feedback(each)})
            return events, results

        return change

    def event(self, token: str, what: str) -> Change:
        """Store that something happened on the page."""

        def change(base: sqlite3.Connection) -> tuple[Sequence[Event], None]:
            return _noted(base, self._running(base, token)["session"], what), None

        if what not in _EVENTS:
            raise UsageError(f"no such event; valid: {', '.join(_EVENTS)}.")
        return change

    def headphone_test(self, token: str, answers: Sequence[int]) -> Change:
        """Store the result of the headphone test; reports whether it was passed."""

        def change(base: sqlite3.Connection) -> tuple[Sequence[Event], bool]:
            session = self._running(base, token)["session"]
            right = sum(
                answer == headphones.interval_with_tone(session, trial)
                for trial, answer in enumerate(answers)
            )
            detail = {"right": right, "of": headphones.TRIALS, "passed": headphones.passed(right)}
            return [_event(session, "headphones", detail)], headphones.passed(right)

        if len(answers) != headphones.TRIALS:
            raise UsageError(f"the headphone test has {headphones.TRIALS} answers.")
        return change

    def finish(self, token: str) -> Change:
        """End a session in which everything is answered; reports the completion code."""

        def change(base: sqlite3.Connection) -> tuple[Sequence[Event], str]:
            session = session_of(base, token)
            if session is not None and session["finished"]:
                return [], str(session["code"])
            session = self._running(base, token)
            left = len(self.protocol.items) - len(_answered(base, session["session"]))
            if left or (self.questions and session["background"] is None):
                raise RefusedError("incomplete", f"{left} items are not answered, or the questions are not.")
            code = secrets.token_hex(4).upper()
            return [(FINISH, {"session": session["session"], "code": code})], code

        return change

    def places(self, number: int) -> dict[str, int]:
        """Return the position of each item in the order of a listener, from 0."""
        keys = [key for _, block in presented_blocks(self.protocol, number) for key in block]
        return {key: place for place, key in enumerate(keys)}

    def plan(self, base: sqlite3.Connection, session: sqlite3.Row) -> dict[str, Any]:
        """Return what a page needs to know of a session; nothing of it tells what an item is."""
        answered = _answered(base, session["session"])
        blocks = [
            {"practice": name == PRACTICE, "items": [self._shown(key, answered) for key in keys]}
            for name, keys in presented_blocks(self.protocol, session["number"])
        ]
        heard = base.execute(
            "SELECT 1 FROM events WHERE session = ? AND what = 'headphones'", (session["session"],)
        ).fetchone()
        return {
            "language": session["language"],
            "background": bool(session["background"]) or not self.questions,
            "headphones": self.has_headphone_test and heard is None,
            "code": session["code"],
            "blocks": blocks,
        }

    def _shown(self, key: str, answered: set[str]) -> dict[str, Any]:
        item = self.protocol.by_key[key]
        asked = item.truth if item.kind == ATTENTION else None
        return {
            "key": key,
            "task": item.task,
            "seconds": item.seconds,
            "asked": asked,
            "done": key in answered,
        }

    def _running(self, base: sqlite3.Connection, token: str) -> sqlite3.Row:
        session = session_of(base, token)
        if session is None:
            raise RefusedError("not_begun", "the session has not begun")
        self._check_running(session)
        return session

    def _check_running(self, session: sqlite3.Row) -> None:
        if (state := self.state(session)) != RUNNING:
            raise RefusedError(state, f"the session is {state}")

    def _content(self, given: Given, session: str, place: int) -> dict[str, Any]:
        item = self.protocol.by_key[given.item]
        content = {name: value for name, value in asdict(given).items() if name != "parts"}
        return {
            **content,
            "session": session,
            "order": place,
            "task": item.task,
            "kind": item.kind,
            "parts": [asdict(part) for part in given.parts] if item.task == SEGMENTS else None,
        }

    def _feedback(self, given: Given) -> dict[str, Any]:
        item = self.protocol.by_key[given.item]
        is_choice = item.kind == PRACTICE and item.task != SEGMENTS
        return {"truth": item.truth} if is_choice else {}

    def _check(self, given: Given) -> None:
        """Raise `UsageError` for an answer that does not fit its item."""
        if not 8 <= len(given.id) <= 64 or not given.id.isascii():
            raise UsageError("id: must have 8 to 64 characters.")
        item = self.protocol.by_key.get(given.item)
        if item is None:
            raise UsageError("item: there is no such item.")
        if given.seconds is not None and not 0 <= given.seconds <= _MOST_SECONDS:
            raise UsageError("seconds: must be 0 or more, and at most a day.")
        if not 0 <= given.plays <= 10_000:
            raise UsageError("plays: must be from 0 to 10000.")
        if item.task == SEGMENTS:
            _check_parts(given.parts, item, self.protocol.answers)
        else:
            self._check_choice(given)

    def _check_choice(self, given: Given) -> None:
        if given.answer not in self.protocol.answers:
            raise UsageError(f"answer: must be one of {', '.join(self.protocol.answers)}.")
        if self.protocol.confidence and given.confidence not in range(1, LEVELS + 1):
            raise UsageError(f"confidence: must be from 1 to {LEVELS}.")
        if given.parts or (given.confidence is not None and not self.protocol.confidence):
            raise UsageError("this item has neither parts nor, in this test, a confidence.")


def _check_parts(parts: Sequence[Part], item: Item, answers: Sequence[str]) -> None:
    if len(parts) > _MOST_PARTS:
        raise UsageError(f"parts: at most {_MOST_PARTS}.")
    end = 0.0
    for part in sorted(parts, key=lambda each: each.start):
        is_inside = 0 <= part.start < part.end <= item.seconds + 0.01
        if not is_inside or part.end - part.start < SHORTEST_PART - 1e-6:
            raise UsageError(f"parts: must be inside the recording, and at least {SHORTEST_PART} s long.")
        if part.start < end - 1e-6:
            raise UsageError("parts: must not overlap.")
        if part.answer not in answers:
            raise UsageError(f"parts: the answer must be one of {', '.join(answers)}.")
        end = part.end


def session_of(base: sqlite3.Connection, token: str) -> sqlite3.Row | None:
    """Return the session of a link."""
    row: sqlite3.Row | None = base.execute("SELECT * FROM sessions WHERE token = ?", (token,)).fetchone()
    return row


def has_link(base: sqlite3.Connection, token: str) -> bool:
    """Return whether there is such a link for one person."""
    return base.execute("SELECT 1 FROM links WHERE token = ?", (token,)).fetchone() is not None


def _check_link(base: sqlite3.Connection, token: str) -> None:
    if not has_link(base, token):
        raise RefusedError("unknown_link", "there is no such link")


def _answered(base: sqlite3.Connection, session: str) -> set[str]:
    return {row["item"] for row in base.execute("SELECT item FROM answers WHERE session = ?", (session,))}


def _check_id(base: sqlite3.Connection, session: str, id: str) -> None:
    if base.execute("SELECT 1 FROM answers WHERE session = ? AND id = ?", (session, id)).fetchone():
        raise UsageError("id: another answer has it.")


def _free_number(base: sqlite3.Connection, protocol: str) -> int:
    """Return the lowest number that no session has: those of people who withdrew are given again."""
    taken = {
        row["number"] for row in base.execute("SELECT number FROM sessions WHERE protocol = ?", (protocol,))
    }
    return next(number for number in range(len(taken) + 1) if number not in taken)


def _event(session: str, what: str, detail: Mapping[str, Any] | None = None) -> Event:
    return EVENT, {"session": session, "what": what, "detail": dict(detail or {})}


def _noted(base: sqlite3.Connection, session: str, what: str) -> list[Event]:
    """Return the event, or none if the session has so many that more would say nothing."""
    count = base.execute("SELECT count(*) FROM events WHERE session = ?", (session,)).fetchone()[0]
    return [_event(session, what)] if count < _MOST_EVENTS else []


def new_token() -> str:
    """Return a token that nobody can guess: 128 random bits."""
    return secrets.token_hex(16)


def add_links(count: int, label: str = "") -> Change:
    """Make links, each for one person; reports their tokens."""

    def change(base: sqlite3.Connection) -> tuple[Sequence[Event], list[str]]:
        tokens = [new_token() for _ in range(count)]
        return [(LINK, {"token": token, "label": label, "is_open": 0}) for token in tokens], tokens

    return change


def set_open_link(cap: int) -> Change:
    """Make the open link, or give it another cap; reports its token."""

    def change(base: sqlite3.Connection) -> tuple[Sequence[Event], str]:
        row = open_link(base)
        token = row["token"] if row else new_token()
        events = [] if row and row["cap"] == cap else [(OPEN, {"token": token, "cap": cap})]
        return events, str(token)

    return change


def open_link(base: sqlite3.Connection) -> sqlite3.Row | None:
    """Return token and cap of the open link."""
    row: sqlite3.Row | None = base.execute("SELECT * FROM open_links").fetchone()
    return row


def places_left(base: sqlite3.Connection) -> int:
    """Return how many people may still begin by the open link."""
    row = open_link(base)
    used = base.execute("SELECT count(*) FROM links WHERE is_open").fetchone()[0]
    return max(0, row["cap"] - used) if row else 0


def join(token: str) -> Change:
    """Make a link for a person who came by the open link; reports its token."""

    def change(base: sqlite3.Connection) -> tuple[Sequence[Event], str]:
        row = open_link(base)
        if row is None or not secrets.compare_digest(row["token"], token):
            raise RefusedError("unknown_link", "there is no such link")
        if not places_left(base):
            raise RefusedError("full", "enough people have taken part")
        mine = new_token()
        return [(LINK, {"token": mine, "label": "", "is_open": 1})], mine

    return change
