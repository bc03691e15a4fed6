"""Standardisation of groups of utterances, each by statistics of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from sercl.models.standardize import Moments


@dataclass(frozen=True)
class Group:
    """Utterances that are standardised alike.

    Attributes:
        rows: What is standardised.
        reference: By whose mean and standard deviation; at least one row.
    """

    rows: tuple[int, ...]
    reference: tuple[int, ...]


def normalize_groups(features: Tensor, groups: Iterable[Group]) -> Tensor:
    """Standardise each group.

    A feature that is constant in the reference becomes 0 in the whole group: divided by no spread, rounding
    would pass for information.

    Args:
        features: `[utterances, dim]` float32.
        groups: No row may stand in two of them; rows that stand in none stay as they are.

    Returns:
        `[utterances, dim]` float32; each reference has mean 0 and population standard deviation 1.
    """
    made = features.clone()
    for group in groups:
        moments = Moments.of(features[list(group.reference)])
        scaled = (features[list(group.rows)].double() - moments.mean) / moments.std()
        made[list(group.rows)] = scaled.masked_fill(moments.constant(), 0).float()
    return made


def grouped_rows(
    keys: Sequence[tuple[str, ...]], rows: Iterable[int]
) -> dict[tuple[str, ...], tuple[int, ...]]:
    """Return key -> those of `rows` that have it, each once and in order; `keys` has a key for every row."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for row in sorted(set(rows)):
        groups.setdefault(keys[row], []).append(row)
    return {key: tuple(own) for key, own in groups.items()}
