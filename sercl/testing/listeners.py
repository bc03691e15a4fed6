"""Simulated listeners with known abilities, for tests and benchmarks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sercl.corpora.base import Segment
from sercl.corpora.labels import EMOTIONS
from sercl.corpora.languages import to_language
from sercl.listening.ratings import CHOICE, ITEM, RATINGS, SEGMENTS, Table, table_of

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
    readily: float = 1.0,
) -> Table:
    """Return the ratings of listeners who answer every item once.

    Args:
        items: As of `fake_items`.
        groups: The listeners.
        seed: Makes the answers repeatable.
        ability_sd: Standard deviation between listeners, in log-odds.
        item_sd: Standard deviation between items, in log-odds.
        readily: How many times as often a wrong answer is "neutral" as each other emotion: a bias.
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
                answer = item["truth"] if right else _wrong(others, readily, rng)
                who = {"listener": f"{group.native}-{number}", "listener_native": group.native}
                asked = {"task": CHOICE, "kind": ITEM, "repeat": 0, "seconds": 2 + rng.exponential(2)}
                rows.append({**item, **who, **asked, "answer": answer})
    return table_of(RATINGS, rows)


def _wrong(others: Sequence[str], readily: float, rng: np.random.Generator) -> str:
    if readily == 1.0:
        return others[int(rng.integers(len(others)))]
    weights = np.array([readily if name == "neutral" else 1.0 for name in others])
    return others[int(rng.choice(len(others), p=weights / weights.sum()))]


@dataclass(frozen=True)
class FakeRecording:
    """A recording with one event.

    Attributes:
        item: Its name.
        language: Its language.
        duration: Length in s.
        event: The event, which touches neither end.
    """

    item: str
    language: str
    duration: float
    event: Segment


EVENTS = ("angry", "happy", "sad")


def fake_recordings(
    count: int = 12, languages: Sequence[str] = ("de",), seed: int = 0
) -> list[FakeRecording]:
    """Return recordings of 6 to 10 s, so many of each language, with an event of 1.5 to 3 s."""
    rng = np.random.default_rng(seed)
    found = []
    for language in languages:
        for index in range(count):
            duration, seconds = (round(float(rng.uniform(*ends)), 2) for ends in ((6, 10), (1.5, 3)))
            start = round(float(rng.uniform(1, duration - seconds - 1)), 2)
            event = Segment(start, round(start + seconds, 2), EVENTS[index % len(EVENTS)])
            found.append(FakeRecording(f"{language}-talk-{index}", language, duration, event))
    return found


@dataclass(frozen=True)
class Marker:
    """Simulated listeners who mark events.

    Attributes:
        native: Their language, as they write it.
        listeners: Their number.
        spread: Standard deviation of their boundaries from true ones, in s.
        spread_sd: Standard deviation of the spread between listeners, as a share of it.
        missed: Probability that an event is not marked at all.
        confused: Probability that it is called another emotion.
    """

    native: str = "German"
    listeners: int = 8
    spread: float = 0.2
    spread_sd: float = 0.3
    missed: float = 0.05
    confused: float = 0.1


def fake_marks(recordings: Sequence[FakeRecording], groups: Sequence[Marker], seed: int = 0) -> Table:
    """Return the ratings of listeners who mark every recording once."""
    rng = np.random.default_rng(seed)
    hard = rng.lognormal(0, 0.3, size=len(recordings))
    rows: list[dict[str, object]] = []
    for group in groups:
        for number in range(group.listeners):
            own = group.spread * rng.lognormal(0, group.spread_sd)
            for order, (recording, factor) in enumerate(zip(recordings, hard, strict=True)):
                part = marked_event(recording, own * factor, group.missed, group.confused, rng)
                who = {"listener": f"{group.native}-{number}", "listener_native": group.native}
                what = {
                    "item": recording.item,
                    "language": recording.language,
                    "task": SEGMENTS,
                    "kind": ITEM,
                }
                place = {"repeat": 0, "order": order, "source": f"fake:{len(rows)}"}
                named = {} if part is None else {"start": part.start, "end": part.end, "answer": part.emotion}
                rows.append({**who, **what, **place, **named})
    return table_of(RATINGS, rows)


def marked_event(
    recording: FakeRecording, spread: float, missed: float, confused: float, rng: np.random.Generator
) -> Segment | None:
    """Return the event of a recording as somebody marks it; None if it is missed."""
    event = recording.event
    if rng.random() < missed:
        return None
    others = [name for name in EVENTS if name != event.emotion]
    name = others[rng.integers(len(others))] if rng.random() < confused else event.emotion
    middle = (event.start + event.end) / 2
    start = min(max(0.0, event.start + rng.normal(0, spread)), middle - 0.1)
    end = max(min(recording.duration, event.end + rng.normal(0, spread)), middle + 0.1)
    return Segment(round(start, 3), round(end, 3), name)
