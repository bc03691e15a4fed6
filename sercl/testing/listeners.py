"""Simulated listeners with known abilities, for tests and benchmarks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

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
