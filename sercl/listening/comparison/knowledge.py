"""Groups of listeners by how well they know the language of what they hear."""

import re
from typing import Any

import pandas as pd

from sercl.errors import UsageError
from sercl.listening.comparison.contrasts import language_of
from sercl.listening.ratings import LISTENER, Table

KNOWLEDGE = "knowledge"
"""Name of the groups, in place of a column that describes listeners."""

NATIVE, SECOND, NONE, FOREIGN = "native", "l2", "none", "not native"
"""The groups; not native where it is not known which other languages listeners speak."""

_LANGUAGES = f"{LISTENER}languages"


def by_knowledge(table: Table, native: str) -> Table:
    """Return ratings with a column `listener_knowledge`: native, l2 or none, of the language of the item.

    Somebody who knows the languages of the items differently well stands for a listener in each group. Within
    a language that changes nothing; in differences between groups, it is not used that the same people are in
    both, which makes their intervals too wide rather than too narrow.

    Args:
        table: Ratings. Other languages that listeners speak are in `listener_languages`, such as
            "en:fluent, zh:beginner".
        native: Column with their native language, without its prefix.

    Raises:
        UsageError: For votes, or if no native language or language of an item is known.
    """
    frame = table.frame
    column = f"{LISTENER}{native}"
    if column not in frame:
        have = ", ".join(table.listener_columns) or "none"
        raise UsageError(
            f"--groups {KNOWLEDGE}: needs the native language of listeners; there is no column {native!r}: "
            f"name it with --native (columns of listeners: {have})."
        )
    mother, heard = ([_code(cell) for cell in frame[name]] for name in (column, "language"))
    others = [_codes(cell) for cell in frame[_LANGUAGES]] if _LANGUAGES in frame else [None] * len(frame)
    known = [_knowledge(*each) for each in zip(heard, mother, others, strict=True)]
    if not any(known):
        raise UsageError(
            f"--groups {KNOWLEDGE}: needs the language of items (--items of `sercl listen import`) and the "
            f"native language of listeners (column {native!r}), which are not known for any answer."
        )
    groups = pd.Series(known, index=frame.index, dtype=object)
    several = groups.groupby(frame["listener"]).transform("nunique") > 1
    apart = frame["listener"].astype(str) + " (" + groups.astype(str) + ")"
    people = frame["listener"].where(~several, apart)
    return Table(table.kind, frame.assign(**{"listener": people, f"{LISTENER}{KNOWLEDGE}": groups}))


def _knowledge(heard: str | None, native: str | None, others: frozenset[str] | None) -> str | None:
    if heard is None or native is None:
        return None
    if heard == native:
        return NATIVE
    if others is None:
        return FOREIGN
    return SECOND if heard in others else NONE


def _code(language: Any) -> str | None:
    return None if pd.isna(language) else language_of(str(language))


def _codes(languages: Any) -> frozenset[str]:
    """Return the languages of "en:fluent, zh:beginner"."""
    parts = [] if pd.isna(languages) else re.split("[,;]", str(languages))
    codes = (_code(part.partition(":")[0]) for part in parts)
    return frozenset(code for code in codes if code)
