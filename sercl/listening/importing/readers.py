"""Readers of a row of each format: webMUSHRA, pymushra, jsPsych, sercl's own columns, votes and rates."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sercl.corpora.cells import clean, key_of, text_of, word_of
from sercl.corpora.emotion_names import to_emotion
from sercl.counting import count
from sercl.documents import parse_json
from sercl.errors import DocumentError
from sercl.listening.importing.records import Row
from sercl.listening.importing.result_file import SCALES, BadRowError, ResultFile, emotion_columns
from sercl.listening.ratings import CHOICE, COLUMNS, ITEM, LISTENER, SEGMENTS

_LISTENERS = (
    "listener", "participant", "participant_id", "participantid", "subject", "subject_id", "prolific_pid",
    "workerid", "worker_id", "session_uuid", "uuid", "id", "code", "name", "email",
)  # fmt: skip
"""Names of columns that tell listeners apart, best first."""
_PERSONAL = ("name", "email", "e-mail", "mail", "firstname", "lastname")
"""Columns that are not copied: they would name people."""
_PREFIXES = ("responses_", "questionaire_", "questionnaire_", "wm_")
BY_ITSELF = "confidence_by_itself"
"""Marks a confidence that was asked for by itself."""

_INDEX = re.compile("[0-9]{1,6}")
_SCALE = re.compile(r"stimuli_rating([0-9]{0,3})")


def _webmushra(file: ResultFile, row: Row) -> Iterator[dict[str, Any]]:
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


def _pymushra(file: ResultFile, row: Row) -> Iterator[dict[str, Any]]:
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


def _scales(file: ResultFile, values: Sequence[Any]) -> dict[str, Any]:
    """Return the answer and the confidence of a rating."""
    names = file.options.scales
    if len(values) > len(names):
        raise BadRowError(f"{count(len(values), 'scale')}; name them all with --scales")
    found = dict(zip(names, values, strict=False))
    for name in found:
        if name not in SCALES:
            file.left_out[f"rating of the scale {name!r}"] += 1
    own = {key_of(name): value for name, value in found.items() if name == "confidence"}
    return {
        "answer": file.answer(text_of(found["answer"]) if "answer" in found else None),
        "confidence": file.number(own, "confidence"),
    }


def _jspsych(file: ResultFile, row: Row) -> Iterator[dict[str, Any]]:
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
            BY_ITSELF: True,
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
        "order": file.whole(row, "order", "trial_index") or 0,
        "block": about.get("block") or file.cell(row, "block"),
    }


def _mapped(file: ResultFile, row: Row) -> dict[str, Any]:
    """Return the cells of columns that the user has named."""
    return {key: row[key] for own in file.options.columns.values() if (key := key_of(own)) in row}


def _first_of(name: str) -> str:
    """Return the first of stimuli written as a JSON list."""
    if not name.startswith("["):
        return name
    try:
        return str(parse_json(name)[0])
    except (DocumentError, IndexError) as error:
        raise BadRowError(f"stimulus {name[:40]!r} is not a list of files") from error


def _pressed(file: ResultFile, row: Row) -> tuple[str | None, float | None]:
    """Return the answer of a trial, and the confidence of a form that asks for it."""
    given = row.get(key_of(file.options.columns.get("answer", "response")))
    if isinstance(given, str) and given.startswith("{"):
        try:
            given = parse_json(given)
        except DocumentError as error:
            raise BadRowError(f"response {given[:40]!r} is not valid JSON") from error
    if isinstance(given, Mapping):
        form = {key_of(str(name)): value for name, value in given.items()}
        answer = form["answer"] if "answer" in form else next(iter(form.values()), None)
        return file.answer(word_of(answer)), file.number(form, "confidence")
    word = word_of(given)
    is_index = word is not None and _INDEX.fullmatch(word) and not file.is_mapped(word)
    answer = _choice(file, row) if is_index else word
    return file.answer(answer), file.number(row, "confidence")


def _choice(file: ResultFile, row: Row) -> str:
    """Return the button whose index is the response."""
    word = word_of(row.get(key_of(file.options.columns.get("answer", "response")))) or ""
    buttons = file.options.choices
    if not buttons or file.cell(row, "question") == "confidence":
        buttons = _listed(row.get("answers") or row.get("choices") or "[]")
    if not _INDEX.fullmatch(word) or int(word) >= len(buttons) or list(buttons) == [""]:
        raise BadRowError(f"response {word!r} is the index of a button; name the buttons with --choices")
    return text_of(buttons[int(word)])


def _listener(file: ResultFile, people: Row) -> dict[str, Any]:
    """Return the listener and what is known about them, from the columns of a questionnaire."""
    wanted = file.options.columns.get("listener")
    names = [key_of(wanted)] if wanted else [name for name in _LISTENERS if name in people]
    name = next((own for own in names if own in people and clean(text_of(people[own] or ""))), None)
    if name is None:
        raise BadRowError(
            f"no column tells who answered (found: {', '.join(people) or 'none'}); name it with --columns "
            "'{listener: COLUMN}'"
        )
    if not wanted:
        file.assume(f"listeners are told apart by the column {name!r}")
    given = {key_of(own): key for key, own in file.options.columns.items() if key.startswith(LISTENER)}
    return {"listener": clean(text_of(people[name])), **_background(file, people, name, given)}


def _background(file: ResultFile, people: Row, name: str, given: Mapping[str, str]) -> dict[str, str]:
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


def _ratings(file: ResultFile, row: Row) -> Iterator[dict[str, Any]]:
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
        raise BadRowError(
            f"a region from {start} to {end}; it must start at 0 or later and end after its start"
        )
    if is_region and not is_marked and answer is not None:
        raise BadRowError(f"{answer!r} without a region; a row in which nothing was marked has no answer")
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
        "order": file.whole(row, "order"),
        "repeat": file.whole(row, "repeat"),
    }


_SPECIAL = (
    "item", "listener", "answer", "confidence", "seconds", "start", "end", "order", "repeat", "truth",
    "source", "task",
)  # fmt: skip


def _seconds(file: ResultFile, row: Row) -> float | None:
    found = file.number(row, "seconds")
    return file.number(row, "milliseconds", per=1000) if found is None else found


def _votes(file: ResultFile, row: Row) -> Iterator[dict[str, Any]]:
    about = file.about(file.needed(row, "item", "clip", "utterance"))
    truth = file.cell(row, "truth")
    about |= {"truth": to_emotion(truth)} if truth and "truth" not in about else {}
    if file.cell(row, "votes") is not None:
        yield {
            **about,
            "answer": file.answer(file.needed(row, "answer")),
            "votes": file.whole(row, "votes"),
        }
        return
    found = {}
    for column, emotion in emotion_columns(row).items():
        if (number := file.whole({column: row[column]}, column)) is None:
            raise BadRowError(f"no number of votes for {column}")
        found[emotion] = number
    if not sum(found.values()):
        raise BadRowError("an item without votes")
    yield from ({**about, "answer": emotion, "votes": number} for emotion, number in found.items())


def _rates(file: ResultFile, row: Row) -> Iterator[dict[str, Any]]:
    about = file.about(file.needed(row, "item", "clip", "utterance"))
    answer = file.cell(row, "answer") or file.cell(row, "truth") or about.get("truth")
    if answer is None:
        raise BadRowError("a rate of which answer? Give the truth of the items with --items")
    rate = file.number(row, "rate")
    listeners = file.whole(row, "listeners") or file.options.raters
    if rate is None or not 0 <= rate <= 100:
        raise BadRowError(f"rate is {rate}; a share from 0 to 1, or a percentage, is needed")
    if listeners is None:
        raise BadRowError("no number of listeners; give it with --raters")
    emotion = file.answer(answer)
    yield {
        **about,
        "truth": about.get("truth") or emotion,
        "answer": emotion,
        "rate": rate,
        "listeners": listeners,
    }


READERS: Mapping[str, Callable[[ResultFile, Row], Iterator[dict[str, Any]]]] = {
    "webmushra": _webmushra,
    "pymushra": _pymushra,
    "jspsych": _jspsych,
    "ratings": _ratings,
    "votes": _votes,
    "rates": _rates,
}
"""Format -> what makes rows of ratings or votes of a row of a file; raises `UsageError` for a bad row."""
