"""The segments of one recording. Imports no torch."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sercl.corpora.base import Segment
from sercl.corpora.labels import LabelScheme
from sercl.errors import SegmentError, UnknownNameError

NEUTRAL = "neutral"

_ROUNDING = 1e-6  # s


@dataclass(frozen=True, slots=True)
class ScoredSegment(Segment):
    """A segment with the confidence, 0 to 1, in its emotion; None if unknown."""

    confidence: float | None = None


@dataclass(frozen=True)
class Annotation:
    """The segments of one recording.

    Attributes:
        id: Name of the recording; by convention its file's stem.
        segments: In order of time, without overlap, in s. Neutral ones may be included or left out.
        duration: Length of the recording in s, None where unknown.
        pauses: `(start, end)` in s of stretches without speech, if speech was detected; they are neutral.
    """

    id: str
    segments: tuple[Segment, ...]
    duration: float | None = None
    pauses: tuple[tuple[float, float], ...] = ()

    @property
    def events(self) -> tuple[Segment, ...]:
        """The segments that are not neutral."""
        return tuple(segment for segment in self.segments if segment.emotion != NEUTRAL)

    @property
    def end(self) -> float:
        """The duration in s or, if that is unknown, the end of the last segment."""
        return self.duration or max((segment.end for segment in self.segments), default=0.0)


def filled(segments: Iterable[Segment], duration: float) -> tuple[Segment, ...]:
    """Return the segments of a recording with neutral segments (without confidence) in all gaps.

    Args:
        segments: In order, without overlap, in s.
        duration: Length of the recording in s.
    """
    whole: list[Segment] = []
    time = 0.0
    for segment in segments:
        if segment.start - time > _ROUNDING:
            whole.append(ScoredSegment(time, segment.start, NEUTRAL))
        whole.append(segment)
        time = segment.end
    if duration - time > _ROUNDING:
        whole.append(ScoredSegment(time, duration, NEUTRAL))
    return tuple(whole)


def in_classes(segments: Iterable[Segment], scheme: LabelScheme) -> tuple[Segment, ...]:
    """Return the segments with emotions replaced by the names of their classes.

    Raises:
        SegmentError: For an emotion that the scheme has no class for; nothing is dropped.
    """
    renamed = []
    for index, segment in enumerate(segments):
        found = scheme.class_of(segment.emotion)
        if found is None:
            valid = [emotion for name in scheme.classes for emotion in scheme.members[name]]
            error = UnknownNameError(
                "emotion", segment.emotion, valid, "Choose labels with a class for it, or fix the segment."
            )
            raise SegmentError(f"{segment.start:g} s to {segment.end:g} s: {error}", index) from error
        renamed.append(replace(segment, emotion=found))
    return tuple(renamed)
