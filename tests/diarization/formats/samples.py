"""Annotations as hypothesis draws them, and checks that every format shares."""

import math

from hypothesis import strategies as st

from sercl.diarization.segments import Annotation, ScoredSegment, filled

EMOTIONS = ("angry", "happy", "neutral", "sad", "surprised")


@st.composite
def annotations(draw, id="talk-1", scored=True, whole=True):
    """A recording: segments on a grid of microseconds, filled with neutral ones where `whole`."""
    duration = draw(st.integers(1_000, 9_000_000))
    edges = sorted(draw(st.sets(st.integers(0, duration), max_size=10)))
    segments = [
        ScoredSegment(
            start / 1e6,
            end / 1e6,
            draw(st.sampled_from(EMOTIONS)),
            draw(st.none() | st.integers(0, 10_000).map(lambda n: n / 10_000)) if scored else None,
        )
        for start, end in zip(edges[::2], edges[1::2], strict=False)
    ]
    length = duration / 1e6
    return Annotation(id, filled(segments, length) if whole else tuple(segments), length)


def alike(one: Annotation, other: Annotation, *, confidence=True) -> bool:
    """Whether two annotations say the same to the microsecond."""

    def close(a, b):
        return math.isclose(a, b, abs_tol=2e-6)

    return (
        one.id == other.id
        and len(one.segments) == len(other.segments)
        and all(
            close(a.start, b.start)
            and close(a.end, b.end)
            and a.emotion == b.emotion
            and (not confidence or a.confidence == b.confidence)
            for a, b in zip(one.segments, other.segments, strict=True)
        )
    )
