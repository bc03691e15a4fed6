"""Training sources of a study: single corpora, and unions of several, which are named by their corpora."""

from collections.abc import Collection, Iterable

SINGLE, ALL_BUT_TARGET, ALL_BUT_LANGUAGE, SUBSETS = SOURCES = (
    "single",
    "all-but-target",
    "all-but-language",
    "subsets",
)
"""Which of the other corpora a condition is trained on: one, all, all of other languages, or some."""

PLUS = " + "
"""Between the names of the corpora of a union."""


def union_of(corpora: Iterable[str]) -> str:
    """Return the name of several corpora as one source: "EmoDB + RAVDESS"; of one corpus, its own name."""
    return PLUS.join(corpora)


def corpora_of(source: str, corpora: Collection[str]) -> tuple[str, ...]:
    """Return the corpora of a source: itself, if it is one of the study's `corpora`."""
    return (source,) if source in corpora else tuple(source.split(PLUS))
