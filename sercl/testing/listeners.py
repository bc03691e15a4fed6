"""Simulated listeners with known abilities, for tests and benchmarks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sercl.corpora.labels import EMOTIONS
from sercl.corpora.languages import to_language
from sercl.listening.ratings import CHOICE, ITEM, RATINGS, Table, table_of

Answers = NDArray[np.int64]


@dataclass(frozen=True)
class Listening:
    """A listening test of four emotions, in which every listener answers every item once.

    The log-odds of a right answer are `ability` plus a listener's, plus an item's; wrong answers are equally
    likely.

    Attributes:
        listeners: Number of listeners.
        per_emotion: Items of each emotion.
        ability: Mean log-odds of a right answer.
        ability_sd: Standard deviation between listeners.
        item_sd: Standard deviation between items.
    """

    listeners: int = 20
    per_emotion: int = 12
    ability: float = 1.0
    ability_sd: float = 0.5
    item_sd: float = 0.8


CLASSES = 4


def simulate(world: Listening, seed: int) -> tuple[Answers, Answers]:
    """Return the answers `[listeners, items]` and the truth `[items]`, as class indices."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(CLASSES), world.per_emotion)
    people = rng.normal(world.ability, world.ability_sd, size=(world.listeners, 1))
    items = rng.normal(0, world.item_sd, size=(1, len(truth)))
    right = rng.random((world.listeners, len(truth))) < special.expit(people + items)
    wrong = (truth + rng.integers(1, CLASSES, size=right.shape)) % CLASSES
    return np.where(right, truth, wrong), truth


def expected_recall(world: Listening) -> float:
    """Return the recall of all listeners and items of this kind, not only those that are drawn."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    spread = np.hypot(world.ability_sd, world.item_sd)
    return float((special.expit(world.ability + spread * nodes) * weights).sum() / weights.sum())


@dataclass(frozen=True)
class Group:
    """Simulated listeners of one language.

    Attributes:
        native: Their language, as they write it.
        listeners: Their number.
        ability: Mean log-odds of a right answer to items of their own language.
        foreign: What an item of another language costs them, in log-odds.
        dialect: What an item with a dialect costs them, in log-odds.
    """

    native: str
    listeners: int = 8
    ability: float = 1.5
    foreign: float = 0.8
    dialect: float = 0.5


def fake_items(
    languages: Sequence[str] = ("de", "zh"), per_emotion: int = 6, dialects: Mapping[str, str] | None = None
) -> list[dict[str, str | None]]:
    """Return items of four emotions.

    Args:
        languages: Their languages.
        per_emotion: Items of each emotion and language.
        dialects: Language -> dialect of as many items more.
    """
    places: list[tuple[str, str | None]] = [(language, None) for language in languages]
    places += [(language, dialect) for language, dialect in (dialects or {}).items()]
    return [
        {"item": f"{language}{dialect or ''}-{emotion}-{index}", "language": language, "dialect": dialect}
        | {"truth": emotion, "speaker": f"s{index % 3}"}
        for language, dialect in places
        for emotion in EMOTIONS[:CLASSES]
        for index in range(per_emotion)
    ]


def fake_ratings(
    items: Sequence[Mapping[str, str | None]],
    groups: Sequence[Group],
    seed: int = 0,
    ability_sd: float = 0.5,
    item_sd: float = 0.8,
) -> Table:
    """Return the ratings of listeners who answer every item once.

    Args:
        items: As of `fake_items`.
        groups: The listeners.
        seed: Makes the answers repeatable.
        ability_sd: Standard deviation between listeners, in log-odds.
        item_sd: Standard deviation between items, in log-odds.
    """
    rng = np.random.default_rng(seed)
    ease = rng.normal(0, item_sd, size=len(items))
    rows = []
    for group in groups:
        language = to_language(group.native)
        for number in range(group.listeners):
            ability = rng.normal(group.ability, ability_sd)
            for item, own in zip(items, ease, strict=True):
                costs = group.foreign * (item["language"] != language) + group.dialect * bool(item["dialect"])
                right = rng.random() < special.expit(ability + own - costs)
                others = [name for name in EMOTIONS[:CLASSES] if name != item["truth"]]
                answer = item["truth"] if right else others[rng.integers(len(others))]
                who = {"listener": f"{group.native}-{number}", "listener_native": group.native}
                asked = {"task": CHOICE, "kind": ITEM, "repeat": 0, "seconds": 2 + rng.exponential(2)}
                rows.append({**item, **who, **asked, "answer": answer})
    return table_of(RATINGS, rows)
