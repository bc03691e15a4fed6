from dataclasses import replace

import numpy as np
import pytest
import soundfile

from sercl.audio.voice import Speech
from sercl.corpora.base import Segment
from sercl.corpora.labels import label_scheme
from sercl.corpora.registry import read_corpus
from sercl.data.clips import dataset as cutting
from sercl.data.clips.config import ClipConfig
from sercl.data.clips.dataset import cut_pieces
from tests.data.clips.samples import utterance

SCHEME = label_scheme("4")
WHOLE = ClipConfig(voice="none")


def facts(pieces):
    return [
        (p.utterance.id, round(p.start, 3), round(p.end, 3), p.label) for own in pieces.values() for p in own
    ]


def test_whole_utterances_take_the_name_of_their_class_and_short_ones_give_nothing():
    items = [(utterance("a", "excited"), 1.0), (utterance("b", "sad"), 0.19), (utterance("c"), 0.2)]
    pieces = cut_pieces(items, SCHEME, WHOLE)
    assert facts(pieces) == [("a", 0, 1.0, "happy"), ("c", 0, 0.2, "neutral")]
    assert pieces["b"] == ()


def test_events_inside_an_utterance_are_pieces_of_their_own():
    item = utterance("a", "sad", segments=(Segment(1.0, 2.0, "sad"), Segment(2.0, 2.1, "angry")))
    pieces = cut_pieces([(item, 4.0)], SCHEME, WHOLE)
    assert facts(pieces) == [("a", 0, 1, "neutral"), ("a", 1, 2, "sad"), ("a", 2.1, 4, "neutral")]


class Found:
    """A detector that finds 0.1 s to 0.5 s of every clip, and nothing in silence."""

    def __init__(self, config):
        pass

    def speech(self, clips):
        return [(Speech(0.1, 0.3), Speech(0.4, 0.5)) if clip.any() else () for clip in clips]


def test_utterances_are_cut_to_their_speech(tmp_path, monkeypatch):
    monkeypatch.setattr(cutting, "VoiceDetector", Found)
    soundfile.write(tmp_path / "long.wav", np.r_[np.full(16_000, 0.5), np.full(16_000, 0.25)], 16_000)
    soundfile.write(tmp_path / "none.wav", np.zeros(16_000), 16_000)
    items = [utterance("long", "sad", start=1.0, end=2.0), utterance("none", "sad")]
    items = [(replace(item, path=tmp_path / f"{item.id}.wav"), 1.0) for item in items]
    reports = []
    pieces = cut_pieces(items, SCHEME, ClipConfig(), lambda done, total: reports.append((done, total)))
    assert facts(pieces) == [("long", 0.1, 0.5, "sad")]
    assert pieces["none"] == ()
    assert reports == [(2, 2)]


@pytest.mark.shared
def test_real_speech_loses_its_margins(shared):
    listing = read_corpus("EmoDB", shared / "data" / "emodb")
    items = [item for item in listing.utterances if SCHEME.index(item.emotion) is not None][:8]
    seconds = {item.id: soundfile.info(item.path).duration for item in items}
    for id, own in cut_pieces([(item, seconds[item.id]) for item in items], SCHEME, ClipConfig()).items():
        (piece,) = own
        assert 0 <= piece.start < 0.4
        assert 0.6 * seconds[id] < piece.seconds <= seconds[id]
