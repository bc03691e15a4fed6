"""Fake listening tests: tones with a protocol, ready to be served."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from sercl.files import write_text
from sercl.listening import instructions
from sercl.listening.protocol import (
    AUDIO,
    CHOICE,
    ITEM,
    PRACTICE,
    Block,
    Item,
    Order,
    Protocol,
    file_hash,
    text_file,
    write,
)

ANSWERS = ("angry", "happy", "neutral", "sad")
_RATE = 16_000


def fake_listening_test(folder: Path, items: int = 8, blocks: int = 2, seconds: float = 0.4) -> Protocol:
    """Write a test of tones, with one practice item, and return its protocol.

    Args:
        folder: Where to write it.
        items: Stimuli of each block.
        blocks: Number of blocks.
        seconds: Length of each stimulus.
    """
    (folder / AUDIO).mkdir(parents=True, exist_ok=True)
    names = [f"block-{number}" for number in range(1, blocks + 1)]
    found = tuple(_items(folder, names, items, seconds))
    languages = {}
    for code, path in instructions.available().items():
        write_text(text_file(folder, code), path.read_text(encoding="utf-8"))
        languages[code] = file_hash(text_file(folder, code))
    made = tuple(Block(name, "de", None) for name in names)
    order = Order("random", 1)
    return write(Protocol(None, languages, ANSWERS, True, found, made, order, 1), folder)


def _items(folder: Path, blocks: list[str], count: int, seconds: float) -> Iterator[Item]:
    plan = [("k000", PRACTICE, PRACTICE)]
    plan += [
        (f"k{1 + at * count + each:03d}", ITEM, block)
        for at, block in enumerate(blocks)
        for each in range(count)
    ]
    for number, (key, kind, block) in enumerate(plan):
        path = folder / AUDIO / f"{key}.wav"
        time = np.arange(int(_RATE * seconds)) / _RATE
        soundfile.write(path, 0.1 * np.sin(2 * np.pi * (200 + 10 * number) * time), _RATE)
        emotion = ANSWERS[number % len(ANSWERS)]
        yield Item(
            key, f"{AUDIO}/{key}.wav", file_hash(path), f"tone-{key}", "tones", "de", "tones A", "female",
            None, emotion, CHOICE, seconds, kind, block,
        )  # fmt: skip
