"""Differences between groups of listeners, languages and dialects, and differences of these differences.

All are sums of the UARs of cells (a group on the items of a language and dialect) with weights, tested over
listeners and items, and corrected after Holm.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from sercl.corpora.languages import UnknownLanguageError, to_language
from sercl.errors import UsageError
from sercl.listening.comparison.answers import Answers, Measure, measured
from sercl.metrics.functional.comparison import holm
from sercl.metrics.functional.crossed import crossed_estimates

GROUPS, NATIVE, DIALECT, DIALECT_BY_GROUP = "groups", "native advantage", "dialect", "dialect by group"
"""Kinds of contrasts."""

Cell = tuple[str, str, str]
"""Group, language and dialect."""

Weights = Mapping[Cell, float]


@dataclass(frozen=True)
class Contrast:
    """A difference in UAR.

    Attributes:
        kind: `GROUPS` (two groups on the same language), `NATIVE` (own against other languages, net of how
            able groups and how hard languages are), `DIALECT` (standard minus dialect, of one group), or
            `DIALECT_BY_GROUP` (how much more the dialect costs one group than another).
        name: What is compared, in words.
        difference: In shares of UAR.
        p: Of the test that it is 0.
        p_holm: Corrected for all contrasts of its kind.
    """

    kind: str
    name: str
    difference: Measure
    p: float
    p_holm: float


def contrasts_of(own: Answers, standard: str | None, resamples: int, seed: int) -> tuple[Contrast, ...]:
    """Return every contrast that the answers allow.

    Args:
        own: The answers.
        standard: Dialect that is the standard; by default items without a dialect, or with "standard".
        resamples: Number of bootstrap samples.
        seed: Makes the result repeatable.

    Raises:
        UsageError: For a standard that no item has.
    """
    cells = cells_of(own)
    wanted = list(wanted_contrasts(cells, standard))
    if not wanted:
        return ()
    found = _estimated(own, cells, [weights for _, _, weights in wanted], resamples, seed)
    rows = [
        Contrast(kind, name, difference, p, p)
        for (kind, name, _), (difference, p) in zip(wanted, found, strict=True)
        if difference.value == difference.value
    ]
    return holm_by_kind(rows)


def holm_by_kind(rows: Sequence[Contrast]) -> tuple[Contrast, ...]:
    """Return the contrasts with p-values corrected for the number of each kind."""
    corrected: dict[int, float] = {}
    for kind in dict.fromkeys(row.kind for row in rows):
        corrected |= holm({index: row.p for index, row in enumerate(rows) if row.kind == kind})
    return tuple(replace(row, p_holm=corrected[index]) for index, row in enumerate(rows))


def cells_of(own: Answers) -> list[Cell]:
    """Return the cells that have answers, in order."""
    frame = (
        own.frame[["group", "language", "dialect"]]
        .drop_duplicates()
        .sort_values(["group", "language", "dialect"])
    )
    return [(str(group), str(language), str(dialect)) for group, language, dialect in frame.to_numpy()]


def _estimated(
    own: Answers, cells: Sequence[Cell], wanted: Sequence[Weights], resamples: int, seed: int
) -> list[tuple[Measure, float]]:
    classes = len(own.classes)
    keys = list(zip(own.frame["group"], own.frame["language"], own.frame["dialect"], strict=True))
    index = {cell: number for number, cell in enumerate(cells)}
    cell = np.array([index[key] for key in keys])
    values = np.zeros((len(own), 2, len(cells), classes))
    values[np.arange(len(own)), 0, cell, own.truth] = (own.answer == own.truth) * own.weight
    values[np.arange(len(own)), 1, cell, own.truth] = own.weight
    weights = torch.tensor([[one.get(key, 0.0) for key in cells] for one in wanted], dtype=torch.float64)

    def scores(sums: Tensor) -> Tensor:
        hits, every = sums.reshape(*sums.shape[:-1], 2, len(cells), classes).unbind(-3)
        return weighted((hits / every).nanmean(dim=-1), weights)

    found = crossed_estimates(own.design(), values.reshape(len(own), -1), scores, resamples, seed)
    return [(measured(each, False, own.votes_only), each.p) for each in found]


def weighted(scores: Tensor, weights: Tensor) -> Tensor:
    """Return sums of scores `[..., cells]` with weights `[sums, cells]`: NaN only where a needed score is."""
    parts = torch.where(weights == 0, 0.0, scores[..., None, :] * weights)
    return parts.sum(dim=-1)


def wanted_contrasts(cells: Sequence[Cell], standard: str | None) -> Iterator[tuple[str, str, Weights]]:
    """Yield kind, name and weights of every contrast that the cells allow.

    Raises:
        UsageError: For a standard that no cell has.
    """
    yield from _between_groups(cells)
    yield from _native(cells)
    dialects = sorted({dialect for _, _, dialect in cells})
    if standard is not None and standard not in dialects:
        have = ", ".join(map(repr, dialects))
        raise UsageError(f"--standard {standard}: no item has this dialect; valid: {have}.")
    yield from _dialects(cells, standard)


def _between_groups(cells: Sequence[Cell]) -> Iterator[tuple[str, str, Weights]]:
    for language, dialect in dict.fromkeys((language, dialect) for _, language, dialect in cells):
        groups = [group for group, *where in cells if where == [language, dialect]]
        where = ", ".join(filter(None, (language, dialect)))
        for first, second in combinations(groups, 2):
            name = f"{first} minus {second}" + (f" on {where}" if where else "")
            yield GROUPS, name, {(first, language, dialect): 1.0, (second, language, dialect): -1.0}


def language_of(group: str) -> str | None:
    """Return the language that a group is named after; None if it is not named after one."""
    try:
        found = to_language(group)
    except UnknownLanguageError:
        return None
    return None if found == "und" else found


def _native(cells: Sequence[Cell]) -> Iterator[tuple[str, str, Weights]]:
    """Yield the interaction of the languages of listeners and items, over the languages that both have."""
    plain = _standard_cells(cells, None)
    groups: dict[str, list[str]] = {}
    for group in dict.fromkeys(group for group, _ in plain):
        if (language := language_of(group)) is not None:
            groups.setdefault(language, []).append(group)
    both = [own for own in groups if len(groups[own]) == 1 and any(own == language for _, language in plain)]
    complete = all((groups[one][0], other) in plain for one in both for other in both)
    if len(both) < 2 or not complete:
        return
    count = len(both)
    weights = {
        plain[groups[one][0], other]: 1 / count if one == other else -1 / (count * (count - 1))
        for one in both
        for other in both
    }
    yield NATIVE, f"own against other language ({', '.join(both)})", weights


def _standard_cells(cells: Sequence[Cell], standard: str | None) -> dict[tuple[str, str], Cell]:
    """Return group and language -> its cell of the standard language."""
    names = ("", "standard") if standard is None else (standard,)
    return {
        (group, language): (group, language, dialect)
        for group, language, dialect in cells
        if dialect in names
    }


def _dialects(cells: Sequence[Cell], standard: str | None) -> Iterator[tuple[str, str, Weights]]:
    plain = _standard_cells(cells, standard)
    for language, dialect in dict.fromkeys((language, dialect) for _, language, dialect in cells):
        losses: dict[str, Weights] = {}
        for group, *where in cells:
            own = plain.get((group, language))
            if where == [language, dialect] and own is not None and own[2] != dialect:
                losses[group] = {own: 1.0, (group, language, dialect): -1.0}
        for group, loss in losses.items():
            yield DIALECT, f"{group}: standard minus {dialect} ({language})", loss
        for first, second in combinations(losses, 2):
            less = {cell: -weight for cell, weight in losses[second].items()}
            yield (
                DIALECT_BY_GROUP,
                f"{dialect} ({language}) costs {first} more than {second}",
                {**losses[first], **less},
            )
