"""Smoothing of frame probabilities, and runs that are too short to stand. No torch here."""

import heapq
import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from sercl.diarization.frames import runs
from sercl.errors import UsageError

Probabilities = NDArray[np.floating]
"""`[frames, classes]`, each row's sum is 1."""

Labels = NDArray[np.int64]
"""`[frames]` class indices."""

_FLOOR = 1e-10


def median_smoothed(probabilities: Probabilities, width: int) -> Probabilities:
    """Take the median over time of each class's probability, and bring each row's sum back to 1.

    Args:
        probabilities: `[frames, classes]`.
        width: Frames of the filter, an odd number; the first and last frame stand for what lies beyond.

    Raises:
        UsageError: For an even width or one below 1.
    """
    if width < 1 or width % 2 == 0:
        raise UsageError(f"median filter over {width} frames: the width must be odd and at least 1.")
    if not len(probabilities):
        return probabilities
    smooth = np.maximum(median_filter(probabilities, size=(width, 1), mode="nearest"), _FLOOR)
    smoothed: Probabilities = smooth / smooth.sum(axis=1, keepdims=True)
    return smoothed


def viterbi(probabilities: Probabilities, switch_penalty: float) -> Labels:
    """Return the path with the largest sum of log probabilities, each change of class costing a penalty.

    Args:
        probabilities: `[frames, classes]`.
        switch_penalty: Natural log units; 0 gives the most probable class of each frame.

    Raises:
        UsageError: For a penalty below 0.
    """
    if not switch_penalty >= 0:
        raise UsageError(f"switch penalty {switch_penalty}: it must be 0 or more.")
    logs = np.log(np.maximum(probabilities, _FLOOR))
    frames, classes = logs.shape
    came_from = np.zeros((frames, classes), dtype=np.int16)
    score, stay = np.zeros(classes), np.arange(classes)
    for frame in range(frames):
        best = int(score.argmax())
        switched = score[best] - switch_penalty
        came_from[frame] = np.where(score >= switched, stay, best)
        score = np.maximum(score, switched) + logs[frame]
    labels = np.zeros(frames, dtype=np.int64)
    state = int(score.argmax())
    for frame in range(frames - 1, -1, -1):
        labels[frame] = state
        state = int(came_from[frame, state])
    return labels


def without_short_runs(labels: Labels, probabilities: Probabilities, shortest: int) -> Labels:
    """Give every run of fewer than `shortest` frames to the neighbour that is more probable there.

    The shortest run goes first, and neighbours that become equal merge. A recording that is shorter than
    `shortest` keeps one label.

    Args:
        labels: `[frames]`.
        probabilities: `[frames, classes]`.
        shortest: Frames.
    """
    chain = _Chain(labels, probabilities)
    while (run := chain.pop_shorter_than(shortest)) is not None:
        chain.absorb(run)
    return chain.labels()


class _Chain:
    """Runs as a linked list, with a heap by length: many short runs take n log n steps."""

    def __init__(self, labels: Labels, probabilities: Probabilities) -> None:
        self._runs = {first: [last, label] for first, last, label in runs(labels.tolist())}
        starts = list(self._runs)
        self._before = dict(zip(starts[1:], starts, strict=False))
        self._sums = np.vstack([np.zeros(probabilities.shape[1]), probabilities.cumsum(axis=0)])
        self._heap = [(last - first, first, last) for first, (last, _) in self._runs.items()]
        heapq.heapify(self._heap)

    def pop_shorter_than(self, shortest: int) -> int | None:
        """Return the first frame of the shortest run, None where every run (or the only one) may stay."""
        while self._heap and self._heap[0][0] < shortest and len(self._runs) > 1:
            _, first, last = heapq.heappop(self._heap)
            if self._runs.get(first, (None,))[0] == last:
                return first
        return None

    def absorb(self, first: int) -> None:
        last, _ = self._runs[first]
        before = self._before.get(first)
        near = [self._runs[place][1] for place in (before, last) if place in self._runs]
        probable = self._sums[last] - self._sums[first]
        self._runs[first][1] = max(near, key=lambda label: probable[label])
        self._join(first, last)
        if before is not None:
            self._join(before, first)
        self._push(first if first in self._runs or before is None else before)

    def _join(self, first: int, second: int) -> None:
        """Merge two neighbours that have become equal."""
        if second not in self._runs or self._runs[first][1] != self._runs[second][1]:
            return
        last, _ = self._runs.pop(second)
        self._before.pop(second)
        self._runs[first][0] = last
        if last in self._runs:
            self._before[last] = first

    def _push(self, first: int) -> None:
        last = self._runs[first][0]
        heapq.heappush(self._heap, (last - first, first, last))

    def labels(self) -> Labels:
        ordered = sorted(self._runs.items())
        return np.repeat(
            np.array([label for _, (_, label) in ordered], dtype=np.int64),
            [last - first for first, (last, _) in ordered],
        )


def frames_in(seconds: float, stride: float) -> int:
    """Return the frames that a stretch of time holds, rounded up; rounding of the numbers does not count."""
    return math.ceil(seconds / stride - 1e-6)
