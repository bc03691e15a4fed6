from pathlib import Path

import numpy as np
import pytest
import soundfile

from sercl.audio.loudness import loudness
from sercl.corpora.base import Utterance
from sercl.data.clips.config import ClipConfig
from sercl.data.clips.dataset import render
from sercl.data.clips.plan import Clip, Piece, clip_seconds

PLAIN = ClipConfig(loudness="keep", crossfade=0.0, max_seconds=0.0)


@pytest.fixture
def piece(tmp_path):
    """Make a piece of a file that counts its samples: sample n holds n / 100,000; or of noise."""

    def make(name, label, start=0.0, end=0.5, noise=None, offset=None):
        path = Path(tmp_path / f"{name}.wav")
        samples = np.arange(32_000, dtype=np.float32) / 100_000
        if noise is not None:
            samples = noise * np.random.default_rng(0).standard_normal(32_000).astype(np.float32)
        soundfile.write(path, samples, 16_000, subtype="FLOAT")
        utterance = Utterance(name, path, label, "fake", speaker="s", start=offset)
        return Piece(utterance, start, end, label)

    return make


def test_pieces_follow_each_other_with_their_labels(piece):
    clip = Clip("c", "NE", (piece("a", "neutral", 0.25, 0.5), piece("b", "sad", 0.0, 1.0, offset=0.5)))
    waveform, segments = render(clip, PLAIN)
    assert len(waveform) == 20_000
    assert waveform[0].item() == pytest.approx(0.04)
    assert waveform[4000].item() == pytest.approx(0.08)
    assert [(s.start, s.end, s.emotion) for s in segments] == [(0, 0.25, "neutral"), (0.25, 1.25, "sad")]


def test_the_label_changes_in_the_middle_of_the_fade(piece):
    config = ClipConfig(loudness="keep", crossfade=0.1, max_seconds=0.0)
    clip = Clip("c", "NEN", (piece("a", "neutral"), piece("b", "sad"), piece("c", "neutral")))
    waveform, segments = render(clip, config)
    assert len(waveform) / 16_000 == pytest.approx(clip_seconds(clip, config))
    assert [s.start for s in segments] == pytest.approx([0, 0.45, 0.85])
    assert segments[-1].end == pytest.approx(1.3)


def test_loudness_is_matched_unless_kept(piece):
    clip = Clip("c", "NE", (piece("a", "neutral", noise=0.1), piece("b", "sad", noise=0.01)))
    loud = ClipConfig(crossfade=0.0)
    halves = [waveform.split(8000) for waveform in (render(clip, loud)[0], render(clip, PLAIN)[0])]
    matched, kept = ([loudness(half) for half in pair] for pair in halves)
    assert matched[0] == pytest.approx(matched[1], abs=0.05)
    assert kept[0] - kept[1] == pytest.approx(20, abs=0.01)


@pytest.mark.parametrize(
    ("share", "first", "labels"), [(0.0, 0.0, ["neutral"]), (0.999, 0.5, ["neutral", "sad"])]
)
def test_a_long_clip_is_cropped(piece, share, first, labels):
    clip = Clip("c", "NE", (piece("a", "neutral"), piece("b", "sad")), crop=share)
    waveform, segments = render(clip, ClipConfig(loudness="keep", crossfade=0.0, max_seconds=0.5))
    assert len(waveform) == 8000
    start = round(share * 8000)
    assert waveform[0].item() == pytest.approx(start / 100_000, abs=1e-6)
    assert [s.emotion for s in segments] == labels
    assert (segments[0].start, segments[-1].end) == (0, 0.5)


def test_a_piece_of_silence_stays_silent(piece):
    clip = Clip("c", "NE", (piece("a", "neutral", noise=0.0), piece("b", "sad")))
    waveform, _ = render(clip, ClipConfig(crossfade=0.0))
    assert not waveform[:8000].any()
