"""Balance groups of training utterances: smaller ones are repeated until all have the same size."""

from collections.abc import Sequence

import numpy as np

PROPORTIONAL, BY_CORPUS, BY_LANGUAGE, BY_SPEAKER = WEIGHTS = (
    "proportional",
    "by-corpus",
    "by-language",
    "by-speaker",
)
"""How much each part of several corpora counts in training."""


def repeats(groups: Sequence[str], seed: int) -> list[int]:
    """Return how often each item occurs in an epoch so that every group occurs as often as the largest.

    All items of a group occur equally often, or once more for some of them, which are drawn at random.

    Args:
        groups: The group of each item.
        seed: Of the random draw.
    """
    names = np.asarray(groups, dtype=object)
    sizes = {name: int((names == name).sum()) for name in dict.fromkeys(groups)}
    found = np.ones(len(groups), dtype=int)
    for number, (name, size) in enumerate(sizes.items()):
        rows = np.flatnonzero(names == name)
        whole, rest = divmod(max(sizes.values()), size)
        found[rows] = whole
        found[np.random.default_rng((seed, number)).permutation(rows)[:rest]] += 1
    return [int(number) for number in found]
