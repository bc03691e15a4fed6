import pytest
from hypothesis import given
from hypothesis import strategies as st

from sercl.corpora.base import Segment
from sercl.errors import SegmentError
from sercl.metrics.functional.timeline import Stretch, cut, events, timeline


def test_the_order_does_not_matter_and_touching_equals_merge():
    segments = [Segment(2, 3, "sad"), Segment(0, 1, "angry"), Segment(1, 2, "sad")]
    assert timeline(segments) == [Stretch(0, 1, "angry"), Stretch(1, 3, "sad")]


def test_a_gap_of_rounding_is_none():
    assert timeline([Segment(0, 0.1 + 0.2, "sad"), Segment(0.3000001, 1, "sad")]) == [Stretch(0, 1, "sad")]
    assert len(timeline([Segment(0, 0.3, "sad"), Segment(0.301, 1, "sad")])) == 2


def test_rounded_times_may_overlap_a_little():
    first, second = timeline([Segment(0, 1.001, "sad"), Segment(1.0, 2, "angry")])
    assert first.end == second.start == pytest.approx(1.0005)


@pytest.mark.parametrize(
    ("segments", "index", "said"),
    [
        (
            [Segment(0, 1, "sad"), Segment(2, 1.5, "angry")],
            1,
            "angry from 2 s to 1.5 s is not a valid time span",
        ),
        ([Segment(-0.1, 1, "sad")], 0, "begins at 0 s or later"),
        ([Segment(1, 1, "sad")], 0, "not a valid time span"),
        ([Segment(float("nan"), 1, "sad")], 0, "not a valid time span"),
        ([Segment(0, float("inf"), "sad")], 0, "not a valid time span"),
        ([Segment(1, 3, "sad"), Segment(0, 2, "angry")], 0, "sad from 1 s to 3 s overlaps angry"),
        ([Segment(0, 2, "sad"), Segment(1, 3, "sad")], 1, "overlaps"),
        ([Segment(0, 3, "sad"), Segment(1, 2, "angry"), Segment(2.5, 2.7, "sad")], 1, "overlaps"),
        ([Segment(0, 4.2, "sad")], 0, "overruns the recording, which is 4 s long"),
    ],
)
def test_segments_that_cannot_be_are_named(segments, index, said):
    with pytest.raises(SegmentError, match=said) as caught:
        timeline(segments, 4.0)
    assert caught.value.index == index


def test_a_label_may_overrun_a_little_and_is_cut():
    assert timeline([Segment(1, 4.04, "sad"), Segment(0, 1, "angry")], 4.0)[-1].end == 4.0
    assert timeline([Segment(4.001, 4.04, "sad")], 4.0) == []


def test_cut_and_events():
    stretches = [Stretch(0, 1, "neutral"), Stretch(1, 3, "sad"), Stretch(3, 4, "angry")]
    assert cut(stretches, 2.5) == [Stretch(0, 1, "neutral"), Stretch(1, 2.5, "sad")]
    assert cut(stretches, None) == stretches
    assert events(stretches) == stretches[1:]


@given(st.lists(st.tuples(st.floats(0.01, 5), st.sampled_from(["sad", "angry"])), max_size=8), st.data())
def test_splitting_and_shuffling_change_nothing(lengths, data):
    whole, pieces, time = [], [], 0.0
    for length, emotion in lengths:
        whole.append(Segment(time, time + length, emotion))
        middle = time + length * data.draw(st.floats(0.1, 0.9))
        pieces += [Segment(time, middle, emotion), Segment(middle, time + length, emotion)]
        time += length
    assert timeline(data.draw(st.permutations(pieces))) == timeline(whole)
