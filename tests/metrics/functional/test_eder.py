import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sercl.corpora.base import Segment
from sercl.errors import SegmentError, UnknownNameError, UsageError
from sercl.metrics.functional.eder import (
    boundaries,
    common_stretches,
    deviations,
    eder,
    eder_by_emotion,
    error_parts,
    scores,
    time_confusion,
)
from sercl.metrics.functional.timeline import timeline

CLASSES = ("angry", "happy", "neutral", "sad", "surprised")
NEUTRAL = 2
DURATION = 10.0


@st.composite
def segment_lists(draw):
    """Segments without overlap within 10 s, some of them neutral, with gaps."""
    edges = sorted(draw(st.sets(st.integers(0, 1000), max_size=12)))
    return [
        Segment(start / 100, end / 100, draw(st.sampled_from(CLASSES)))
        for start, end in zip(edges[::2], edges[1::2], strict=False)
    ]


def confusion(reference, hypothesis, duration=DURATION, **options):
    return time_confusion(reference, hypothesis, duration, CLASSES, **options)


def rate(reference, hypothesis, duration=DURATION):
    return eder(confusion(reference, hypothesis, duration), NEUTRAL).item()


def by_milliseconds(reference, hypothesis):
    """An independent count: which label holds in the middle of every millisecond."""
    times = (np.arange(10_000) + 0.5) / 1000
    rows = np.full((2, len(times)), "neutral", dtype=object)
    for row, segments in zip(rows, (reference, hypothesis), strict=True):
        for segment in segments:
            row[(times > segment.start) & (times < segment.end)] = segment.emotion
    truth, guess = rows
    missed = np.mean((truth != "neutral") & (guess == "neutral"))
    false_alarm = np.mean((truth == "neutral") & (guess != "neutral"))
    confused = np.mean((truth != guess) & (truth != "neutral") & (guess != "neutral"))
    return missed, false_alarm, confused


@given(segment_lists(), segment_lists())
def test_parts_agree_with_a_count_of_milliseconds(reference, hypothesis):
    parts = error_parts(confusion(reference, hypothesis), NEUTRAL)
    assert [part.item() for part in parts] == pytest.approx(by_milliseconds(reference, hypothesis), abs=1e-9)
    assert rate(reference, hypothesis) == pytest.approx(sum(part.item() for part in parts))


@given(segment_lists(), segment_lists())
def test_it_lies_between_0_and_1_and_is_0_for_itself(reference, hypothesis):
    assert 0 <= rate(reference, hypothesis) <= 1
    assert rate(reference, reference) == 0
    assert confusion(reference, hypothesis).sum().item() == pytest.approx(DURATION)


@given(segment_lists(), segment_lists())
def test_swapping_turns_missed_emotion_into_false_alarm(one, other):
    there, back = (error_parts(confusion(*pair), NEUTRAL) for pair in ((one, other), (other, one)))
    assert there.missed.item() == pytest.approx(back.false_alarm.item())
    assert there.false_alarm.item() == pytest.approx(back.missed.item())
    assert there.confusion.item() == pytest.approx(back.confusion.item())


@given(segment_lists(), segment_lists(), st.floats(0.1, 0.9))
def test_splitting_segments_changes_nothing(reference, hypothesis, share):
    def split(segments):
        for segment in segments:
            middle = segment.start + share * (segment.end - segment.start)
            yield Segment(segment.start, middle, segment.emotion)
            yield Segment(middle, segment.end, segment.emotion)

    pieces = list(split(reference)), list(split(hypothesis))
    assert rate(*pieces) == pytest.approx(rate(reference, hypothesis))
    ours, theirs = boundaries(*pieces, DURATION), boundaries(reference, hypothesis, DURATION)
    assert (ours.events, ours.found) == (theirs.events, theirs.found)


@given(segment_lists(), segment_lists())
def test_neutral_may_be_spelt_out_or_left_out(reference, hypothesis):
    def without_neutral(segments):
        return [segment for segment in segments if segment.emotion != "neutral"]

    bare = rate(without_neutral(reference), without_neutral(hypothesis))
    assert rate(reference, hypothesis) == pytest.approx(bare)


SAD, ALL_SAD = [Segment(2, 6, "sad")], [Segment(0, 10, "sad")]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "parts"),
    [
        (SAD, [], (0.4, 0, 0)),
        ([], SAD, (0, 0.4, 0)),
        ([], [], (0, 0, 0)),
        (ALL_SAD, [], (1, 0, 0)),
        (ALL_SAD, [Segment(0, 10, "angry")], (0, 0, 1)),
        (SAD, ALL_SAD, (0, 0.6, 0)),
        ([*SAD, Segment(7, 8, "happy")], [Segment(3, 7.5, "sad")], (0.15, 0.1, 0.05)),
    ],
)
def test_what_other_implementations_leave_undefined(reference, hypothesis, parts):
    found = error_parts(confusion(reference, hypothesis), NEUTRAL)
    assert [part.item() for part in found] == pytest.approx(parts)


def test_labels_match_by_their_full_names():
    assert rate([Segment(0, 10, "surprised")], [Segment(0, 10, "sad")]) == 1


def test_a_tail_without_segment_is_neutral_unless_it_counts_as_an_error():
    hypothesis = [Segment(0, 2, "neutral"), Segment(2, 6, "sad"), Segment(6, 9, "neutral")]
    assert rate(SAD, hypothesis) == 0
    strict = error_parts(confusion(SAD, hypothesis, uncovered="error"), NEUTRAL)
    assert [part.item() for part in strict] == pytest.approx([0, 0.1, 0])
    emotional = error_parts(confusion([Segment(8, 10, "sad")], hypothesis[:1], uncovered="error"), NEUTRAL)
    assert [part.item() for part in emotional] == pytest.approx([0.2, 0.6, 0])
    with pytest.raises(UnknownNameError, match=r"uncovered 'wrong'.*neutral, error"):
        confusion(SAD, hypothesis, uncovered="wrong")


def test_what_lies_beyond_the_recording_is_cut_in_the_hypothesis_and_refused_in_the_reference():
    assert rate(SAD, [*SAD, Segment(9, 12, "neutral"), Segment(12, 13, "sad")]) == 0
    with pytest.raises(SegmentError, match="overruns the recording, which is 5 s long"):
        confusion(SAD, [], 5.0)
    with pytest.raises(SegmentError, match="0 s"):
        confusion([], [], 0.0)


def test_emotions_and_classes_must_be_known():
    with pytest.raises(UnknownNameError, match=r"emotion 'bored'.*angry, happy"):
        confusion([Segment(0, 1, "bored")], [])
    with pytest.raises(UnknownNameError, match="emotion 'bored'"):
        confusion([], [Segment(0, 1, "bored")])
    with pytest.raises(UsageError, match="needs the class 'neutral'"):
        time_confusion([], [], 1.0, ["angry", "sad"])


def test_mean_and_time_weighted_rates_differ():
    confusions = torch.stack([confusion(SAD, [], 10.0), confusion([], [], 30.0)])
    assert eder(confusions, NEUTRAL).tolist() == pytest.approx([0.4, 0])
    assert eder(confusions.sum(0), NEUTRAL).item() == pytest.approx(0.1)


def test_the_rate_of_each_emotion_is_that_of_the_recordings_that_hold_it():
    both = [Segment(0, 1, "angry"), Segment(2, 4, "sad")]
    confusions = torch.stack([confusion(SAD, []), confusion(both, []), confusion([], [Segment(0, 1, "sad")])])
    rates = {name: value.item() for name, value in eder_by_emotion(confusions, CLASSES).items()}
    assert rates["sad"] == pytest.approx(0.35)
    assert rates["angry"] == pytest.approx(0.3)
    assert rates["neutral"] == pytest.approx(0.1)
    assert math.isnan(rates["happy"])


def test_boundaries_of_paired_events():
    reference = [Segment(1, 2, "sad"), Segment(3, 5, "sad"), Segment(6, 7, "angry")]
    hypothesis = [Segment(1.1, 1.9, "sad"), Segment(1.95, 5.2, "sad"), Segment(6, 7, "happy")]
    matched = boundaries(reference, hypothesis, DURATION)
    assert (matched.events, matched.found) == (3, 2)
    assert sorted(matched.errors) == pytest.approx([0.1, 0.1, 0.2, 1.05])


def test_edges_of_the_recording_are_no_boundaries():
    assert boundaries(ALL_SAD, ALL_SAD, DURATION) == ((), 1, 1)
    matched = boundaries([Segment(0, 4, "sad")], [Segment(0.5, 4.25, "sad")], DURATION)
    assert matched.errors == pytest.approx((0.25,))
    assert boundaries(SAD, [], DURATION) == ((), 1, 0)
    assert boundaries([], SAD, DURATION) == ((), 0, 0)


def test_scores_by_name():
    confusions = torch.stack(
        [confusion(SAD, [Segment(2.5, 6, "sad")]), confusion([Segment(0, 5, "angry")], [])]
    )
    matched = torch.tensor([[0.5, 2, 1, 1], [0.0, 0, 1, 0]])
    found = {name: value.item() for name, value in scores(confusions, matched, CLASSES).items()}
    assert found["eder"] == pytest.approx(0.275)
    assert found["missed"] + found["false_alarm"] + found["confusion"] == pytest.approx(found["eder"])
    assert found["eder_time"] == pytest.approx(0.275)
    assert found["eder/angry"] == pytest.approx(0.5)
    assert found["recall/sad"] == pytest.approx(3.5 / 4)
    assert found["uar"] == pytest.approx((3.5 / 4 + 0 + 1) / 3)
    assert found["boundary_error"] == pytest.approx(0.25)
    assert found["events_found"] == pytest.approx(0.5)
    with pytest.raises(UsageError, match="no recording"):
        scores(confusions[:0], matched[:0], CLASSES)


def test_distances_of_boundaries_whatever_the_emotions():
    reference = [Segment(2, 4, "sad"), Segment(6, 10, "angry")]
    found = deviations(reference, [Segment(2.1, 3.7, "happy"), Segment(6.5, 9, "angry")], DURATION)
    assert found.starts == pytest.approx((0.1, 0.5))
    assert found.ends == pytest.approx((-0.3,)), "an event that ends with the recording has no end"
    assert found.boundaries == 3
    assert [found.within(tolerance) for tolerance in (0.05, 0.1, 0.3, 0.5)] == [0, 1, 2, 3]


def test_an_event_that_nobody_overlaps_has_no_distance():
    found = deviations([Segment(2, 4, "sad")], [Segment(4.1, 5, "sad"), Segment(7, 8, "neutral")], DURATION)
    assert found == ((), (), 2)
    assert deviations([], [Segment(2, 4, "sad")], DURATION) == ((), (), 0)


def test_an_event_marked_in_two_parts_is_matched_with_the_longer_one():
    found = deviations([Segment(2, 5, "sad")], [Segment(2, 4, "sad"), Segment(4.1, 5, "sad")], DURATION)
    assert (found.starts, found.ends) == ((0.0,), (-1.0,))


@given(segment_lists(), segment_lists())
def test_distances_are_those_of_the_other_direction_with_another_sign(one, other):
    there, back = deviations(one, other, DURATION), deviations(other, one, DURATION)
    inner = [segment for segment in (*one, *other) if segment.start == 0 or segment.end == DURATION]
    if not inner:
        assert sorted(there.starts) == pytest.approx(sorted(-own for own in back.starts))
    assert all(own == 0 for own in (*deviations(one, one, DURATION).starts,))
    assert deviations(one, one, DURATION).within(0.01) == deviations(one, one, DURATION).boundaries


def test_common_stretches_change_where_any_timeline_does():
    tracks = [timeline([Segment(1, 3, "sad")]), timeline([Segment(2, 4, "angry")])]
    labels, lengths = common_stretches(tracks, DURATION, CLASSES, [NEUTRAL, NEUTRAL])
    assert lengths.tolist() == [1, 1, 1, 1, 6]
    assert labels.tolist() == [[2, 3, 3, 2, 2], [2, 2, 0, 0, 2]]
