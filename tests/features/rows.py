"""Small rows, for tests of the feature store. No torch here."""

from pathlib import Path

import numpy as np

from sercl.features.shard import FeatureRow
from sercl.features.space import FeatureSpace
from sercl.features.store import FeatureStore

SPACE = FeatureSpace(
    states=("a" * 64, "b" * 64, "c" * 64),
    preprocessing={"sample_rate": 16_000, "normalize": True},
    pooling="mean",
    precision="fp32",
    width=4,
    encoder="tiny",
)


def rows(count: int, start: int = 0, states: int = 3, width: int = 4) -> list[FeatureRow]:
    """Return rows whose keys and numbers depend on their number alone."""
    return [
        FeatureRow(f"{number:032x}", values_of(number, states, width))
        for number in range(start, start + count)
    ]


def values_of(number: int, states: int = 3, width: int = 4) -> np.ndarray:
    """Return `[states, width]`."""
    return np.random.default_rng(number).standard_normal((states, width), dtype=np.float32)


def fill(root: Path, space: FeatureSpace, some: list[FeatureRow]) -> Path:
    """Add rows to a store, and return the folder of their space."""
    store = FeatureStore(root).open(space)
    with store.writer() as writer:
        for row in some:
            writer.add(*row)
    return store.folder
