"""Draws that depend only on the seed and the utterances' ids, never on the order of the input."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from sercl.corpora.base import Utterance
from sercl.corpora.labels import LabelScheme
from sercl.errors import FoldError

Key = TypeVar("Key", bound=Hashable)


def shuffled(names: Iterable[str], *salt: object) -> list[str]:
    """Return the names in a random order given by the salt; removing a name keeps the order of the others."""
    return sorted(names, key=lambda name: (_digest(name, salt), name))


def shuffled_utterances(utterances: Iterable[Utterance], *salt: object) -> list[Utterance]:
    """Return the utterances in a random order given by the salt and their ids."""
    return sorted(utterances, key=lambda utterance: (_digest(utterance.id, salt), utterance.id))


def _digest(name: str, salt: tuple[object, ...]) -> bytes:
    text = "\x1f".join((*map(str, salt), name))
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def grouped(utterances: Iterable[Utterance], key: Callable[[Utterance], Key]) -> dict[Key, list[Utterance]]:
    """Return the utterances by key, in the order of first appearance."""
    groups: defaultdict[Key, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        groups[key(utterance)].append(utterance)
    return dict(groups)


def by_class(utterances: Iterable[Utterance], labels: LabelScheme) -> dict[str, list[Utterance]]:
    """Return class name -> utterances, with all classes of the scheme in order, including empty ones."""
    groups = grouped(utterances, lambda utterance: labels.index(utterance.emotion))
    return {name: groups.get(index, []) for index, name in enumerate(labels.classes)}


def balanced(
    utterances: Sequence[Utterance], labels: LabelScheme, size: int | None, *salt: object
) -> list[Utterance]:
    """Draw the same number of utterances for each class.

    Args:
        utterances: What to draw from; all have a class.
        labels: The classes.
        size: How many per class; None for as many as the smallest class has.
        *salt: Seed, and anything else that the draw depends on.

    Raises:
        FoldError: If a class has fewer than `size`.
    """
    groups = by_class(utterances, labels)
    size = min(map(len, groups.values())) if size is None else size
    short = {name: len(group) for name, group in groups.items() if len(group) < size}
    if short:
        raise FoldError(
            f"{size} training utterances per class were requested, but there are only {listed(short)}. "
            "Lower --data.folds.per_emotion, or leave it out for as many as the rarest class has."
        )
    drawn = (shuffled_utterances(group, *salt, "balance")[:size] for group in groups.values())
    return [utterance for group in drawn for utterance in group]


def cut(
    utterances: Sequence[Utterance], labels: LabelScheme, share: float, *salt: object
) -> tuple[list[Utterance], list[Utterance]]:
    """Split utterances class by class into a share (rounded up, never a whole class) and the rest."""
    held: list[Utterance] = []
    rest: list[Utterance] = []
    for group in by_class(utterances, labels).values():
        size = min(whole_share(share, len(group)), max(len(group) - 1, 0))
        order = shuffled_utterances(group, *salt, "cut")
        held += order[:size]
        rest += order[size:]
    return held, rest


def whole_share(share: float, count: int) -> int:
    """Return `share * count` rounded up, ignoring floating-point error of the product."""
    return math.ceil(share * count - 1e-9)


def listed(counts: dict[str, int]) -> str:
    """Return counts as text: "angry 3, happy 0"."""
    return ", ".join(f"{name} {count}" for name, count in counts.items())
