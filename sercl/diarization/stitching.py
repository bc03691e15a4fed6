"""Frames of overlapping windows -> the frames of the whole recording. No torch here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.floating]
"""`[frames, classes]`."""


@dataclass(frozen=True)
class Stitch:
    """Which frames of a window count.

    Attributes:
        step: Frames from one window's first frame to the next one's.
        outer: Frames of context on each side, which only the recording's own ends keep.
    """

    step: int
    outer: int

    def kept(self, index: int, frames: int, last: bool) -> slice:
        """Return the frames of a window that stand in the whole recording.

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
