"""Adaptation "speaker": each speaker is standardised by all of the own utterances in a part.

It takes a voice's mean and spread away. It needs no label, but several utterances of every speaker at once,
also of those under test: such a result is transductive. Schuller et al. 2010, "Cross-Corpus Acoustic Emotion
Recognition: Variances and Strategies", compare it with the same by corpus.
"""

from collections.abc import Sequence

from torch import Tensor

from sercl.studies.frozen.adaptation.groups import Group, grouped_rows, normalize_groups

LEAST_UTTERANCES = 3
"""A speaker with fewer in a part has no spread worth the name, and is standardised by the corpus there."""

Names = Sequence[str | None]


def normalize_speakers(
    features: Tensor, corpora: Sequence[str], speakers: Names, parts: Sequence[Sequence[int]]
) -> Tensor:
    """Standardise each speaker in each part by the utterances there.

    A speaker with fewer than `LEAST_UTTERANCES` in a part is standardised by all of the corpus in it.

    Args:
        features: `[utterances, dim]` float32.
        corpora: Name of the corpus of each utterance.
        speakers: Speaker of each utterance; speakers of one name in two corpora are two.
        parts: Rows of each part, no row in two parts; one that is repeated counts once.

    Returns:
        `[utterances, dim]` float32: mean 0 and population standard deviation 1 for each speaker and part, 0
        for a feature that is constant there. Rows of no part stay as they are.
    """
    groups = [group for part in parts for group in _groups(corpora, speakers, part)]
    return normalize_groups(features, groups)


def thin_speakers(corpora: Sequence[str], speakers: Names, parts: Sequence[Sequence[int]]) -> list[str]:
    """Return "corpus speaker" of those with fewer than `LEAST_UTTERANCES` in a part that they speak in."""
    keys = _keys(corpora, speakers)
    groups = [group for part in parts for group in grouped_rows(keys, part).items()]
    return sorted({" ".join(key) for key, own in groups if len(own) < LEAST_UTTERANCES})


def _groups(corpora: Sequence[str], speakers: Names, part: Sequence[int]) -> list[Group]:
    by_corpus = grouped_rows([(name,) for name in corpora], part)
    by_speaker = grouped_rows(_keys(corpora, speakers), part)
    return [
        Group(own, own if len(own) >= LEAST_UTTERANCES else by_corpus[key[:1]])
        for key, own in by_speaker.items()
    ]


def _keys(corpora: Sequence[str], speakers: Names) -> list[tuple[str, ...]]:
    return [(corpus, str(speaker)) for corpus, speaker in zip(corpora, speakers, strict=True)]
