import pytest

from sercl.corpora.base import Segment
from sercl.corpora.labels import label_scheme
from sercl.diarization.segments import Annotation, ScoredSegment, filled, in_classes
from sercl.errors import SegmentError


def test_events_are_what_is_not_neutral():
    annotation = Annotation("a", (Segment(0, 1, "neutral"), Segment(1, 2, "sad")))
    assert annotation.events == (Segment(1, 2, "sad"),)
    assert annotation.end == 2
    assert Annotation("a", (), 3.5).end == 3.5
    assert Annotation("a", ()).end == 0


def test_gaps_are_filled_with_neutral():
    sad, angry = ScoredSegment(1, 2, "sad", 0.9), ScoredSegment(2, 3, "angry", 0.8)
    assert filled([sad, angry], 4) == (
        ScoredSegment(0, 1, "neutral"),
        sad,
        angry,
        ScoredSegment(3, 4, "neutral"),
    )
    assert filled([], 4) == (ScoredSegment(0, 4, "neutral"),)
    assert filled([ScoredSegment(0, 4, "sad")], 4) == (ScoredSegment(0, 4, "sad"),)


def test_emotions_take_the_names_of_their_classes():
    segments = in_classes([ScoredSegment(0, 1, "excited", 0.5)], label_scheme("4"))
    assert segments == (ScoredSegment(0, 1, "happy", 0.5),)
    with pytest.raises(SegmentError, match=r"1 s to 2 s: unknown emotion 'bored'.*excited.*labels") as caught:
        in_classes([Segment(0, 1, "sad"), Segment(1, 2, "bored")], label_scheme("4"))
    assert caught.value.index == 1
