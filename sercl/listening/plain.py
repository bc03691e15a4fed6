"""A test as a plain folder for other tools: tables of stimuli and orders, and timelines of jsPsych."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

from sercl.json_text import json_text
from sercl.listening.instructions import Instructions
from sercl.listening.order import presented_blocks
from sercl.listening.protocol import ATTENTION, CHOICE, PRACTICE, Item, Protocol

STIMULI = ("key", "file", "task", "kind", "block", "language", "dialect", "seconds", "prompt")
"""Columns of the table of stimuli: nothing in it gives an answer away."""

ORDERS = ("listener", "position", "block", "key")
"""Columns of the table of orders."""

AUDIO_TRIAL, BUTTON_TRIAL = "audio-button-response", "html-button-response"
"""Plugins of jsPsych, by the names of their packages without `@jspsych/plugin-`."""


def stimuli_table(protocol: Protocol, texts: Instructions) -> str:
    """Return the stimuli as CSV, a row each, sorted by key."""
    rows = (
        (
            item.key,
            item.file,
            item.task,
            item.kind,
            item.block,
            item.language,
            item.dialect or "",
            item.seconds,
            prompt(item, texts),
        )
        for item in protocol.items
    )
    return _csv(STIMULI, rows)


def orders_table(protocol: Protocol, orders: int) -> str:
    """Return the order of each of so many listeners as CSV: a row for each listener and stimulus."""
    return _csv(ORDERS, (row for listener in range(orders) for row in _order(protocol, listener)))


def prompt(item: Item, texts: Instructions) -> str:
    """Return what the listener is asked."""
    if item.kind == ATTENTION:
        return texts.attention_to(str(item.truth))
    return texts.choice if item.task == CHOICE else texts.segments


def timeline(protocol: Protocol, texts: Instructions, listener: int) -> str:
    """Return the timeline of a listener as JSON: trials of jsPsych 7 and 8, with plugins by name."""
    total = len(protocol.blocks)
    trials: list[dict[str, Any]] = [
        {"type": "preload", "audio": [item.file for item in protocol.items]},
        _page(texts, texts.welcome),
        _page(texts, texts.consent, texts.consent_question),
        _page(texts, texts.volume),
    ]
    number = 0
    for block, keys in presented_blocks(protocol, listener):
        if block == PRACTICE:
            trials.append(_page(texts, texts.practice))
        else:
            number += 1
            trials.append(_page(texts, texts.block_title(number, total), texts.pause if number > 1 else ""))
        for key in keys:
            trials += _trials(protocol, protocol.by_key[key], texts)
    trials.append(_page(texts, texts.thanks))
    about = {"protocol": protocol.hash, "listener": listener}
    return json_text({**about, "timeline": trials}, indent=1) + "\n"


def _trials(protocol: Protocol, item: Item, texts: Instructions) -> Iterator[dict[str, Any]]:
    about = {"item": item.key, "block": item.block, "kind": item.kind, "protocol": protocol.hash}
    yield {
        "type": AUDIO_TRIAL,
        "stimulus": item.file,
        "choices": [escape(texts.label(answer)) for answer in protocol.answers],
        "prompt": _paragraphs(prompt(item, texts)),
        "response_allowed_while_playing": False,
        "data": {**about, "question": "answer", "answers": list(protocol.answers)},
    }
    if protocol.confidence:
        yield {
            "type": BUTTON_TRIAL,
            "stimulus": _paragraphs(texts.confidence),
            "choices": [escape(label) for label in texts.levels],
            "data": {**about, "question": "confidence", "answers": list(range(1, len(texts.levels) + 1))},
        }


def _page(texts: Instructions, *lines: str) -> dict[str, Any]:
    return {"type": BUTTON_TRIAL, "stimulus": _paragraphs(*lines), "choices": [escape(texts.next)]}


def _paragraphs(*lines: str) -> str:
    return "".join(f"<p>{escape(line)}</p>" for line in lines if line)


def _order(protocol: Protocol, listener: int) -> Iterator[tuple[int, int, str, str]]:
    position = 0
    for block, keys in presented_blocks(protocol, listener):
        for key in keys:
            position += 1
            yield listener, position, block, key


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return file.getvalue()
