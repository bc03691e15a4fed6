"""Pieces without audio, for planning."""

from pathlib import Path

from sercl.corpora.base import Utterance
from sercl.data.clips.plan import Piece


def utterance(id, emotion="neutral", speaker="s1", corpus="fake", **options):
    return Utterance(id, Path(f"/nowhere/{id}.wav"), emotion, corpus, speaker=speaker, **options)


def pieces(speakers=("s1", "s2"), emotions=("angry", "happy", "neutral", "sad"), each=3, seconds=1.0):
    return [
        Piece(utterance(f"{speaker}-{emotion}-{take}", emotion, speaker), 0.0, seconds + take / 10, emotion)
        for speaker in speakers
        for emotion in emotions
        for take in range(each)
    ]
