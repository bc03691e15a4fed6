"""Converts frame labels to segments and back, and joins the frames of windows. Imports no torch."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sercl.corpora.base import Segment

Label = TypeVar("Label")


def runs(labels: Iterable[Label]) -> list[tuple[int, int, Label]]:
    """Return `(first, last + 1, label)` of every run of equal labels."""
    found: list[tuple[int, int, Label]] = []
    for label, run in groupby(labels):
        first = found[-1][1] if found else 0
        found.append((first, first + sum(1 for _ in run), label))
    return found


def frames_to_segments(
    labels: Sequence[str], window: float, stride: float, duration: float | None = None
) -> list[Segment]:
    """Turn one label per frame into segments, as SpeechBrain's EDER does.

    Frame i covers `i * stride` to `i * stride + window`. Equal neighbours merge, and the overlap of unequal
    ones is split in half. Neutral segments are included.

    Args:
        labels: Emotion of each frame.
        window: Length of a frame in s.
        stride: Seconds from one frame to the next. If it exceeds `window`, the gaps have no segment.
        duration: Length of the recording in s, to which the last segment is extended. With None, the tail
            that no frame covers has no segment.

    Returns:
        Segments in order, without overlap; empty without frames.
    """
    open_gaps = window < stride - 1e-9
    edges = _separate(labels, window, stride) if open_gaps else _joined(labels, window, stride)
    segments = [Segment(start, end, emotion) for start, end, emotion in edges]
    if duration is None or not segments:
        return segments
    kept = [segment for segment in segments if segment.start < duration]
    *before, last = kept
    return [*before, Segment(last.start, duration, last.emotion)]


def segments_to_frames(
    segments: Iterable[Segment], count: int, stride: float, blank: str = "neutral"
) -> list[str]:
    """Return the emotion at the middle of each frame: of the stretch `i * stride` to `(i + 1) * stride`.

    Args:
        segments: Without overlap, in s.
        count: Number of frames.
        stride: Seconds from one frame to the next.
        blank: Emotion of frames that no segment covers.
    """
    labels = [blank] * count
    for segment in segments:
        # Middle i is at (i + 0.5) * stride; a middle on a boundary belongs to the segment that begins there.
        first = max(0, _first_middle(segment.start, stride))
        for index in range(first, min(count, _first_middle(segment.end, stride))):
            labels[index] = segment.emotion
    return labels


def _joined(labels: Sequence[str], window: float, stride: float) -> Iterator[tuple[float, float, str]]:
    found = runs(labels)
    if not found:
        return
    middle_of_overlap = (window - stride) / 2
    changes = [first * stride + middle_of_overlap for first, _, _ in found[1:]]
    bounds = [0.0, *changes, (found[-1][1] - 1) * stride + window]
    for (start, end), (_, _, emotion) in zip(pairwise(bounds), found, strict=True):
        yield start, end, emotion


def _separate(labels: Sequence[str], window: float, stride: float) -> Iterator[tuple[float, float, str]]:
    for index, emotion in enumerate(labels):
        yield index * stride, index * stride + window, emotion


def _first_middle(time: float, stride: float) -> int:
    """Return the first frame whose middle is at `time` (s) or later."""
    position = time / stride - 0.5
    whole = round(position)
    # 0.29 / 0.02 is a little less than 14.5, whose middle it is.
    return whole if abs(position - whole) < 1e-6 else math.ceil(position)


Frames = NDArray[np.floating]
"""`[frames, classes]`."""


@dataclass(frozen=True)
class Stitch:
    """Which frames of a window are kept.

    Attributes:
        step: Frames from one window's first frame to the next one's.
        outer: Frames of context on each side, kept only at the ends of the recording.
    """

    step: int
    outer: int

    def kept(self, index: int, frames: int, last: bool) -> slice:
        """Return the frames of a window that are kept for the recording.

        Args:
            index: Number of the window, from 0.
            frames: How many frames it has.
            last: Whether the recording ends with it.
        """
        first = self.outer if index else 0
        return slice(first, frames if last else self.outer + self.step)


def stitched(parts: Iterable[tuple[int, bool, Frames]], stitch: Stitch) -> Iterator[Frames]:
    """Yield the frames of a recording, window by window, each frame once.

    Args:
        parts: Index of a window, whether it is the last, and its `[frames, classes]`; in order.
        stitch: Steps and contexts.

    Raises:
        ValueError: For a window that has too few frames to reach its neighbour.
    """
    for index, last, frames in parts:
        kept = stitch.kept(index, len(frames), last)
        if len(frames) < (kept.stop or 0):
            raise ValueError(f"window {index} has {len(frames)} frames, {kept.stop} are needed")
        yield frames[kept]
