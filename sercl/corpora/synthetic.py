"""Speech that nobody has spoken, and what must be said beside every score on it."""

from collections.abc import Sequence

from sercl.corpora.base import Utterance

KEY = "synthetic"
"""Entry of `Utterance.extra`, a column of manifests: what has spoken, such as "espeak-ng"; not for people."""

_PEOPLE = ("", "no", "false", "0")


def synthetic_notes(utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return the sentence that belongs beside scores on some utterances; none where people speak in all."""
    voices = [voice for item in utterances if (voice := item.extra.get(KEY, "")).casefold() not in _PEOPLE]
    if not voices:
        return ()
    whole = len(voices) == len(utterances)
    who = "all utterances" if whole else f"{len(voices)} of {len(utterances)} utterances"
    named = ", ".join(sorted(set(voices)))
    return (f"{who} are synthetic speech ({named}): scores on them say nothing about the speech of people",)
