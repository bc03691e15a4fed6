"""Utterances that need no file: folds look at labels and speakers only."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from sercl.corpora.base import Utterance

FOUR = ("angry", "happy", "neutral", "sad")


def utterance(name: str, emotion: str, speaker: str | None = None, corpus: str = "Toy") -> Utterance:
    return Utterance(name, Path("/corpus") / f"{name}.wav", emotion, corpus, speaker=speaker)


def corpus(counts: Mapping[str, Mapping[str, int]], name: str = "Toy") -> list[Utterance]:
    """Speaker -> emotion -> how many."""
    return [
        utterance(f"{speaker}_{emotion}_{number:03}", emotion, speaker, name)
        for speaker, emotions in counts.items()
        for emotion, count in emotions.items()
        for number in range(count)
    ]


def even(speakers: Iterable[str], each: int, name: str = "Toy") -> list[Utterance]:
    """Every speaker with `each` utterances of the four emotions."""
    return corpus({speaker: dict.fromkeys(FOUR, each) for speaker in speakers}, name)


def esd(each: int = 60) -> list[Utterance]:
    speakers = [f"{number:04}" for number in range(1, 11)]
    return [replace(item, language="zh") for item in even(speakers, each, "ESD")]


def iemocap(each: int = 60) -> list[Utterance]:
    speakers = [f"Ses0{session}{sex}" for session in range(1, 6) for sex in "FM"]
    return [
        replace(item, language="en", session=f"Session{(item.speaker or '')[4]}")
        for item in even(speakers, each, "IEMOCAP")
    ]


def pavoque(lacking: Collection[str] = ()) -> list[Utterance]:
    """The study's pool of PAVOQUE and some cuts outside it, but for those with the ids in `lacking`."""
    cuts = {
        f"{series}{number:04}-{style}": style for style, series, last in CUTS for number in range(1, last + 1)
    }
    return [utterance(id, emotion, "spike", "PAVOQUE") for id, emotion in cuts.items() if id not in lacking]


CUTS = [
    ("angry", "m", 400), ("angry", "spike", 151), ("angry", "poker_a", 50),
    ("happy", "m", 400), ("happy", "poppy", 159),
    ("sad", "m", 400), ("sad", "obadiah", 124), ("sad", "poker_d", 32),
    ("neutral", "a", 600), ("neutral", "prudence", 112), ("neutral", "n", 300),
]  # fmt: skip


def ids(utterances: Iterable[Utterance]) -> list[str]:
    return [item.id for item in utterances]
