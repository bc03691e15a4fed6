import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercl.corpora.base import Segment
from sercl.diarization.frames import frames_to_segments, runs, segments_to_frames
from sercl.metrics.functional.eder import eder, time_confusion

CLASSES = ("angry", "happy", "neutral", "sad")
labels = st.lists(st.sampled_from(CLASSES), min_size=1, max_size=40)


def speechbrain(labels, window, stride):
    """The steps as SpeechBrain describes them: frames, merging of neighbours, splitting of overlaps."""
    rows = [[stride * i, stride * i + window, label] for i, label in enumerate(labels)]
    merged = [rows[0]]
    for row in rows[1:]:
        if row[0] <= merged[-1][1] + 1e-9 and row[2] == merged[-1][2]:
            merged[-1][1] = row[1]
        else:
            merged.append(row)
    for one, other in itertools.pairwise(merged):
        if other[0] <= one[1]:
            one[1] = other[0] = (one[1] + other[0]) / 2
    return merged


@given(labels, st.sampled_from([(0.2, 0.2), (0.025, 0.02), (0.06, 0.02), (0.01, 0.02)]))
def test_frames_merge_and_share_overlaps_as_in_speechbrain(labels, sizes):
    expected = speechbrain(labels, *sizes)
    found = frames_to_segments(labels, *sizes)
    assert [segment.emotion for segment in found] == [row[2] for row in expected]
    for segment, (start, end, _) in zip(found, expected, strict=True):
        assert (segment.start, segment.end) == pytest.approx((start, end), abs=1e-9)


def test_the_worked_example_of_speechbrain():
    hypothesis = frames_to_segments(["neutral"] * 3 + ["angry"] * 3, 0.2, 0.2)
    reference = [Segment(0.39, 1.10, "angry")]
    confusion = time_confusion(reference, hypothesis, 1.22, CLASSES, uncovered="error")
    assert eder(confusion, 2).item() == pytest.approx(0.2704918032786885, abs=1e-9)
    # The last 0.02 s, which no frame covers, are neutral in the reference too.
    lenient = time_confusion(reference, hypothesis, 1.22, CLASSES)
    assert eder(lenient, 2).item() == pytest.approx(0.2704918032786885 - 0.02 / 1.22, abs=1e-9)


@pytest.mark.shared
def test_every_golden_value_of_speechbrain(shared):
    cases = json.loads((shared / "golden" / "eder.json").read_text())
    assert len(cases) >= 20
    for case in cases:
        frames = [label for label, count in case["frame_labels_rle"] for _ in range(count)]
        hypothesis = frames_to_segments(frames, case["window"], case["stride"])
        reference = [Segment(item["start"], item["end"], item["emotion"]) for item in case["reference"]]
        confusion = time_confusion(reference, hypothesis, case["duration"], CLASSES, uncovered="error")
        assert eder(confusion, 2).item() == pytest.approx(case["eder"], abs=1e-6)


@given(labels, st.floats(0.001, 0.5))
def test_with_a_duration_the_segments_fill_the_recording(labels, tail):
    duration = len(labels) * 0.02 + tail
    segments = frames_to_segments(labels, 0.02, 0.02, duration)
    assert segments[0].start == 0
    assert segments[-1].end == duration
    for one, other in itertools.pairwise(segments):
        assert one.end == other.start
        assert one.emotion != other.emotion


def test_frames_beyond_the_recording_are_cut():
    segments = frames_to_segments(["neutral", "sad", "sad", "angry"], 0.02, 0.02, 0.05)
    assert segments == [Segment(0, 0.02, "neutral"), Segment(0.02, 0.05, "sad")]


def test_no_frame_gives_no_segment():
    assert frames_to_segments([], 0.02, 0.02) == []
    assert frames_to_segments([], 0.02, 0.02, 1.0) == []


@given(labels)
def test_frames_come_back_from_their_segments(labels):
    segments = frames_to_segments(labels, 0.02, 0.02)
    assert segments_to_frames(segments, len(labels), 0.02) == labels
    events = [segment for segment in segments if segment.emotion != "neutral"]
    assert segments_to_frames(events, len(labels) + 3, 0.02) == [*labels, *["neutral"] * 3]


def test_a_frame_takes_the_emotion_of_its_middle():
    assert segments_to_frames([Segment(0.29, 0.31, "sad")], 16, 0.02) == ["neutral"] * 14 + ["sad", "neutral"]
    assert segments_to_frames([Segment(0.0, 9.0, "sad")], 2, 0.02) == ["sad", "sad"]


def test_runs():
    assert runs("aabc") == [(0, 2, "a"), (2, 3, "b"), (3, 4, "c")]
    assert runs([]) == []
