"""A test as a configuration of webMUSHRA (audiolabs/webMUSHRA 1.4) with its audio.

The configuration has every key that its page types read: an absent one is shown as "undefined". Answers reach
its server in a form in which `&`, `+` and `%` are not escaped, so no name that is sent may contain them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import yaml

from sercl.errors import UsageError
from sercl.listening.instructions import Instructions
from sercl.listening.order import LATIN_SQUARE, presented_blocks, shuffled
from sercl.listening.protocol import ATTENTION, PRACTICE, REPEAT, SEGMENTS, Item, Protocol

BUTTONS = ("en", "de", "fr", "es")
"""Languages of webMUSHRA's own buttons; there is no other, so others get English ones."""

UNSAFE = re.compile(r"[^A-Za-z0-9_./-]")
"""What the path of a file should not contain, which is part of an address and of the results."""

_SENT = re.compile(r"[^&+%\"\\]+")
_HASH = 12


def test_id(protocol: Protocol, language: str) -> str:
    """Return the name of a test's results: one per protocol and language, so that no two forms are mixed."""
    return f"sercl-{protocol.hash[:_HASH]}-{language}"


def check(protocol: Protocol, orders: int) -> None:
    """Raise `UsageError` for a test that webMUSHRA cannot run."""
    if SEGMENTS in protocol.tasks:
        raise UsageError(
            "webMUSHRA cannot mark segments in time. Use sercl's own pages (sercl listen serve), or the "
            "audio and the table of stimuli with another tool (--to folder)."
        )
    for answer in protocol.answers:
        if not _SENT.fullmatch(answer):
            raise UsageError(
                f'the answer {answer!r} contains one of & + % " \\, which webMUSHRA does not send. Build '
                "the test with another name of that class (--data.labels)."
            )
    if protocol.order.method == LATIN_SQUARE and not orders:
        raise UsageError(
            "this test has a Latin square, but webMUSHRA shuffles each page by itself: give --orders N, for "
            "a configuration with the order of each listener."
        )


def config(
    protocol: Protocol, texts: Instructions, language: str, folder: str, listener: int | None = None
) -> str:
    """Return a configuration as YAML.

    Args:
        protocol: The test, of choices only; see `check`.
        texts: The instructions.
        language: Their code.
        folder: Where the test's folder `audio` is, relative to the root folder of webMUSHRA.
        listener: Number of the listener whose order it has; None for webMUSHRA's own, by which the items of a
            block are shuffled and its repeats follow.
    """
    content = {
        "testname": protocol.title or texts.title,
        "testId": test_id(protocol, language),
        "bufferSize": 2048,
        "stopOnErrors": True,
        "showButtonPreviousPage": False,
        "remoteService": "service/write.php",
        "language": language if language in BUTTONS else BUTTONS[0],
        "pages": list(_pages(protocol, texts, language, folder, listener)),
    }
    return yaml.dump(content, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=10_000)


class _Plain(yaml.SafeDumper):
    """Writes equal parts in full: webMUSHRA's parser of YAML is a small one."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _pages(
    protocol: Protocol, texts: Instructions, language: str, folder: str, listener: int | None
) -> Iterator[Mapping[str, Any]]:
    yield from _first_pages(protocol, texts, language, folder)
    blocks = _shuffled_blocks(protocol) if listener is None else presented_blocks(protocol, listener)
    total = len(protocol.blocks)
    for number, (block, keys) in enumerate(blocks, start=0 if protocol.of(PRACTICE) else 1):
        heading = escape(texts.practice) if block == PRACTICE else _heading(texts, number, total)
        yield _generic(f"{block}-start", texts, heading, language)
        yield from _stimulus_pages(protocol, texts, block, keys, folder, shuffles=listener is None)
    yield _finish(texts)


def _generic(id: str, texts: Instructions, content: str, language: str) -> Mapping[str, Any]:
    return {"type": "generic", "id": id, "name": texts.title, "content": content, "language": language}


def _first_pages(
    protocol: Protocol, texts: Instructions, language: str, folder: str
) -> Iterator[Mapping[str, Any]]:
    yield _generic("welcome", texts, escape(texts.welcome), language)
    yield {
        "type": "consent",
        "id": "consent",
        "name": texts.consent_question,
        "content": escape(texts.consent),
        "mustConsent": True,
        "language": language,
    }
    yield {
        "type": "volume",
        "id": "volume",
        "name": texts.title,
        "content": escape(texts.volume),
        "stimulus": _path((protocol.of(PRACTICE) or protocol.items)[0], folder),
        "defaultVolume": 0.5,
    }


def _heading(texts: Instructions, number: int, total: int) -> str:
    pause = f"<br>{escape(texts.pause)}" if number > 1 else ""
    return f"{escape(texts.block_title(number, total))}{pause}"


def _shuffled_blocks(protocol: Protocol) -> list[tuple[str, tuple[str, ...]]]:
    """Return the blocks with keys in an order that says nothing; the page shuffles them again."""
    names = [*([PRACTICE] if protocol.of(PRACTICE) else []), *(block.name for block in protocol.blocks)]
    return [
        (
            name,
            tuple(
                shuffled([item.key for item in protocol.items if item.block == name], protocol.seed, "page")
            ),
        )
        for name in names
    ]


def _stimulus_pages(
    protocol: Protocol, texts: Instructions, block: str, keys: Sequence[str], folder: str, shuffles: bool
) -> Iterator[Mapping[str, Any]]:
    """Yield the pages of a block: if shuffled, few with several stimuli; else one for each, in order."""
    items = [protocol.by_key[key] for key in keys]
    if not shuffles:
        yield from (_likert(protocol, texts, block, [item], folder) for item in items)
        return
    checks = [item for item in items if item.kind == ATTENTION]
    first = [item for item in items if item.kind not in (ATTENTION, REPEAT)]
    again = [item for item in items if item.kind == REPEAT]
    for number, group in enumerate((first, again)):
        if group:
            yield _likert(protocol, texts, block, group, folder)
        yield from (_likert(protocol, texts, block, [item], folder) for item in checks[number::2])


def _likert(
    protocol: Protocol, texts: Instructions, block: str, items: Sequence[Item], folder: str
) -> Mapping[str, Any]:
    asked = texts.attention_to(str(items[0].truth)) if items[0].kind == ATTENTION else texts.choice
    answers = [_point(answer, texts.label(answer)) for answer in protocol.answers]
    levels = [_point(level, label) for level, label in enumerate(texts.levels, 1)]
    more = f"<br>{escape(texts.confidence)}" if protocol.confidence else ""
    return {
        "type": "likert_single_stimulus",
        "id": block,
        "name": texts.title,
        "content": escape(asked) + more,
        "showWaveform": False,
        "mustRate": True,
        "mustPlayback": "ended",
        "maxStimuli": 0,
        "stimuli": {item.key: _path(item, folder) for item in items},
        "response": [answers, levels] if protocol.confidence else answers,
    }


def _point(value: str | int, label: str) -> Mapping[str, Any]:
    images = {"img": None, "imgSelected": None, "imgHigherResponseSelected": None}
    return {"value": value, "label": escape(label), **images}


def _finish(texts: Instructions) -> Mapping[str, Any]:
    return {
        "type": "finish",
        "id": "finish",
        "name": texts.title,
        "content": f"{escape(texts.about_you)}<br>{escape(texts.finish)}",
        "popupContent": escape(texts.thanks),
        "showResults": False,
        "showErrors": True,
        "writeResults": True,
        "questionnaire": [
            _question("participant", texts.participant),
            _question("native_language", texts.native_language),
            _question("other_languages", texts.other_languages, optional=True),
            _question("dialects", texts.dialects, optional=True),
            _question("age", texts.age, texts.age_groups),
            _question("hearing", texts.hearing, texts.hearing_answers),
        ],
    }


def _question(
    name: str, label: str, choices: Sequence[str] = (), optional: bool = False
) -> Mapping[str, Any]:
    """Return a question; answers that are chosen are sent as numbers from 1, which no language changes."""
    return {
        "type": "likert" if choices else "text",
        "name": name,
        "label": escape(label),
        "optional": optional,
        "min": None,
        "max": None,
        "default": "",
        "response": [_point(number, choice) for number, choice in enumerate(choices, 1)],
    }


def _path(item: Item, folder: str) -> str:
    return f"{folder}/{item.file}"
