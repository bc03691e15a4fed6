import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercl.diarization.postprocess import PostConfig, smoothed_labels, to_segments
from sercl.errors import UnknownNameError, UsageError

CLASSES = ("angry", "happy", "neutral", "sad")
PLAIN = PostConfig(smoothing="none", min_seconds=0.0)


def certain(text, sure=0.7):
    """Frames from letters: a, h, n, s."""
    rest = (1 - sure) / 3
    return np.array([[sure if letter == name[0] else rest for name in CLASSES] for letter in text])


def facts(segments):
    return [(round(s.start, 6), round(s.end, 6), s.emotion) for s in segments]


def test_frames_become_segments_that_fill_the_recording():
    segments = to_segments(certain("nnaaas"), CLASSES, 0.02, 0.135, PLAIN)
    assert facts(segments) == [
        (0, 0.04, "neutral"),
        (0.04, 0.1, "angry"),
        (0.1, 0.135, "sad"),
    ]
    assert [segment.confidence for segment in segments] == pytest.approx([0.7] * 3)


def test_confidence_is_the_mean_probability_before_smoothing():
    probabilities = np.vstack([certain("aaaa", 0.9), certain("n", 0.9), certain("aaaa", 0.5)])
    (segment,) = to_segments(probabilities, CLASSES, 0.02, 0.18, PostConfig(median_seconds=0.06))
    assert segment.emotion == "angry"
    assert segment.confidence == pytest.approx((4 * 0.9 + 0.1 / 3 + 4 * 0.5) / 9)


def test_short_segments_and_weak_events_go():
    long_enough = PostConfig(smoothing="none", min_seconds=0.06)
    assert facts(to_segments(certain("nnnnaannnsss"), CLASSES, 0.02, 0.24, long_enough)) == [
        (0, 0.18, "neutral"),
        (0.18, 0.24, "sad"),
    ]
    probabilities = np.vstack([certain("nnn"), certain("aaa", 0.5), certain("sss", 0.8)])
    sure_enough = PostConfig(smoothing="none", min_seconds=0.0, threshold=0.6)
    assert facts(to_segments(probabilities, CLASSES, 0.02, 0.18, sure_enough)) == [
        (0, 0.12, "neutral"),
        (0.12, 0.18, "sad"),
    ]


def test_each_smoothing_is_applied():
    noisy = certain("nnnannnnaaaanaaa")
    assert len(set(smoothed_labels(noisy, 0.02, PLAIN)[:4])) == 2
    for config in (
        PostConfig(smoothing="median", median_seconds=0.04),
        PostConfig(smoothing="viterbi", switch_penalty=2.0),
    ):
        assert smoothed_labels(noisy, 0.02, config).tolist() == [2] * 8 + [0] * 8


@given(st.text("ahns", min_size=1, max_size=60), st.sampled_from(["none", "median", "viterbi"]))
def test_segments_are_whole_whatever_the_frames(text, smoothing):
    config = PostConfig(smoothing=smoothing, median_seconds=0.1, min_seconds=0.1, threshold=0.4)
    duration = len(text) * 0.02 + 0.01
    segments = to_segments(certain(text), CLASSES, 0.02, duration, config)
    assert segments[0].start == 0
    assert segments[-1].end == duration
    assert all(0 <= segment.confidence <= 1 for segment in segments)
    for one, other in itertools.pairwise(segments):
        assert one.end == other.start
        assert one.emotion != other.emotion


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"smoothing": "mean"}, UnknownNameError, "none, median, viterbi"),
        ({"median_seconds": -1.0}, UsageError, "median_seconds"),
        ({"switch_penalty": float("nan")}, UsageError, "switch_penalty"),
        ({"min_seconds": -0.1}, UsageError, "min_seconds"),
        ({"threshold": 1.5}, UsageError, "threshold"),
    ],
)
def test_wrong_options_are_named(options, error, named):
    with pytest.raises(error, match=named):
        PostConfig(**options)
