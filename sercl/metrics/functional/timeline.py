"""Segments of one recording in normal form: sorted, without overlap, equal neighbours merged."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

from sercl.errors import SegmentError

EDGE_TOLERANCE = 0.05
"""Seconds by which a segment may exceed its recording, as labels of audio files do; the excess is cut off."""

OVERLAP_TOLERANCE = 0.002
"""Seconds by which neighbours may overlap because of rounding; the overlap is split in half."""


_TOUCHING = 1e-6
"""Maximum length in s of a gap that is due to rounding."""


class Labelled(Protocol):
    """A stretch of one emotion: `start` and `end` in seconds from the recording's start."""

    @property
    def start(self) -> float:
        """Seconds."""

    @property
    def end(self) -> float:
        """Seconds, after `start`."""

    @property
    def emotion(self) -> str:
        """Full name."""


class Stretch(NamedTuple):
    """A segment in normal form; `start` and `end` in seconds."""

    start: float
    end: float
    emotion: str


def timeline(segments: Iterable[Labelled], duration: float | None = None) -> list[Stretch]:
    """Return the segments of one recording in normal form.

    Args:
        segments: In any order. Adjacent segments of the same emotion are merged; emotions must be names.
        duration: Length of the recording in s, None where unknown. Segments that exceed it by at most
            `EDGE_TOLERANCE` are cut there.

    Raises:
        SegmentError: For a segment that begins before 0, does not end after it begins, overlaps another by
            more than `OVERLAP_TOLERANCE` or exceeds the recording by more than `EDGE_TOLERANCE`.
    """
    given = list(segments)
    for index, segment in enumerate(given):
        _check_one(segment, index, duration)
    order = sorted(range(len(given)), key=lambda index: (given[index].start, given[index].end))
    for before, index in pairwise(order):
        _check_pair(given[before], given[index], index)
    return _merged(cut([Stretch(*_facts(given[index])) for index in order], duration))


def cut(stretches: Iterable[Labelled], duration: float | None) -> list[Stretch]:
    """Return the stretches cut at `duration` (s); unchanged if it is None."""
    limit = math.inf if duration is None else duration
    return [Stretch(s.start, min(s.end, limit), s.emotion) for s in stretches if s.start < limit]


def events(stretches: Iterable[Stretch], neutral: str = "neutral") -> list[Stretch]:
    """Return the stretches that are not neutral."""
    return [stretch for stretch in stretches if stretch.emotion != neutral]


def _facts(segment: Labelled) -> tuple[float, float, str]:
    return segment.start, segment.end, segment.emotion


def _merged(stretches: Sequence[Stretch]) -> list[Stretch]:
    merged: list[Stretch] = []
    for stretch in stretches:
        before = merged[-1] if merged else None
        if before is None or before.end < stretch.start - _TOUCHING:
            merged.append(stretch)
        elif before.emotion == stretch.emotion:
            merged[-1] = before._replace(end=max(before.end, stretch.end))
        else:
            middle = (before.end + stretch.start) / 2
            merged[-1] = before._replace(end=middle)
            merged.append(stretch._replace(start=middle))
    return [stretch for stretch in merged if stretch.start < stretch.end]


def _check_one(segment: Labelled, index: int, duration: float | None) -> None:
    start, end, emotion = _facts(segment)
    if not 0 <= start < end < math.inf:
        raise SegmentError(
            f"{emotion} from {start:g} s to {end:g} s is not a valid time span. A segment begins at 0 s or "
            "later and ends after it begins.",
            index,
        )
    if duration is not None and end > duration + EDGE_TOLERANCE:
        raise SegmentError(
            f"{emotion} from {start:g} s to {end:g} s overruns the recording, which is {duration:g} s long. "
            "Fix the segment, or check that it belongs to this recording.",
            index,
        )


def _check_pair(before: Labelled, after: Labelled, index: int) -> None:
    if before.end - after.start > OVERLAP_TOLERANCE:
        raise SegmentError(
            f"{after.emotion} from {after.start:g} s to {after.end:g} s overlaps {before.emotion} from "
            f"{before.start:g} s to {before.end:g} s. One emotion at a time: fix one of them.",
            index,
        )
