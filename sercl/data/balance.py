"""Balance groups of training utterances: smaller ones are repeated until all have the same size."""

from collections.abc import Sequence

import numpy as np

from sercl.corpora.base import Utterance, how_to_give
from sercl.counting import count
from sercl.errors import UsageError

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


def in_rounds(times: Sequence[int]) -> list[int]:
    """Return the indices of an epoch: all items, then those that occur at least twice, and so on."""
    rounds = range(max(times, default=0))
    return [index for number in rounds for index, often in enumerate(times) if often > number]


def groups_of(weights: str, utterances: Sequence[Utterance]) -> list[str]:
    """Return the language or the speaker of each utterance.

    Args:
        weights: `BY_LANGUAGE` or `BY_SPEAKER`.
        utterances: The utterances.

    Raises:
        UsageError: For `BY_SPEAKER`, if the speaker of an utterance is unknown.
    """
    if weights == BY_LANGUAGE:
        return [item.language for item in utterances]
    if nameless := [item.id for item in utterances if item.person is None]:
        raise UsageError(
            f"weights {BY_SPEAKER}: the speaker of {count(len(nameless), 'utterance')} is unknown, "
            f"first {nameless[0]!r}. {how_to_give('speaker')}, or choose other weights."
        )
    return [str(item.person) for item in utterances]
