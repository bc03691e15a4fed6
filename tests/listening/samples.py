"""Protocols without audio, for tests."""

from sercl.corpora.base import Segment
from sercl.listening.protocol import ATTENTION, CHOICE, ITEM, PRACTICE, REPEAT, Block, Item, Order, Protocol

ANSWERS = ("angry", "happy", "neutral", "sad")


def item(key: str, block: str, kind: str = ITEM, repeats: str | None = None, **more: object) -> Item:
    """Return an item; its truth follows from its key."""
    values = {
        "file": f"audio/{key}.wav",
        "digest": key * 2,
        "utterance": f"u-{repeats or key}",
        "corpus": "EmoDB",
        "language": "de",
        "speaker": "EmoDB 03",
        "gender": "male",
        "dialect": None,
        "truth": ANSWERS[len(key) % 4],
        "task": CHOICE,
        "seconds": 1.5,
        **more,
    }
    return Item(key=key, kind=kind, block=block, repeats=repeats, **values)


def protocol(
    items: int = 6,
    repeats: int = 2,
    checks: int = 2,
    practice: int = 2,
    blocks: int = 2,
    method: str = "random",
    seed: int = 7,
    **more: object,
) -> Protocol:
    """Return a sealed protocol with so many stimuli of each kind in each block."""
    names = [f"block-{number}" for number in range(1, blocks + 1)]
    found = [item(f"p{number}", PRACTICE, PRACTICE) for number in range(practice)]
    for name in names:
        found += [item(f"i{name[-1]}{number:02d}", name) for number in range(items)]
        found += [
            item(f"r{name[-1]}{number}", name, REPEAT, f"i{name[-1]}{number:02d}")
            for number in range(repeats)
        ]
        found += [item(f"a{name[-1]}{number}", name, ATTENTION, truth="sad") for number in range(checks)]
    values = {
        "title": "What do you hear?",
        "languages": {"en": "0", "de": "1", "zh": "2"},
        "answers": ANSWERS,
        "confidence": True,
        "preprocess": {"level": -23.0},
        "source": {"name": "EmoDB"},
        **more,
    }
    return Protocol(
        items=tuple(sorted(found, key=lambda each: each.key)),
        blocks=tuple(Block(name, "de", None) for name in names),
        order=Order(method, seed),
        seed=seed,
        **values,
    ).sealed()


SEGMENTS = (Segment(0.0, 0.5, "neutral"), Segment(0.5, 1.25, "angry"))
