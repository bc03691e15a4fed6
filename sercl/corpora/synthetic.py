"""Speech that nobody has spoken, and what must be said beside every score on it."""

from collections.abc import Sequence

from sercl.corpora.base import Utterance
from sercl.corpora.cells import is_missing, key_of

KEY = "synthetic"
"""Entry of `Utterance.extra`, a column of manifests: what has spoken, such as "espeak-ng"; not for people."""

_PEOPLE = ("no", "false", "0")


def synthetic_notes(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return the sentence that belongs beside scores on some utterances; none where people speak in all."""
    voices = [voice for item in utterances if not _is_people(voice := item.extra.get(KEY, ""))]
    if not voices:
        return ()
    whole = len(voices) == len(utterances)
    who = "all utterances" if whole else f"{len(voices)} of {len(utterances)} utterances"
    named = ", ".join(sorted(set(voices)))
    return (f"{who} are synthetic speech ({named}): scores on them say nothing about the speech of people",)


def _is_people(voice: str) -> bool:
    return is_missing(voice) or key_of(voice) in _PEOPLE
