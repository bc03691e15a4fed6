"""From frame probabilities to segments: smoothing, threshold, minimum duration. No torch here."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from sercl.diarization.frames import frames_to_segments, runs
from sercl.diarization.segments import NEUTRAL, ScoredSegment
from sercl.errors import UnknownNameError, UsageError

Probabilities = NDArray[np.floating]
"""`[frames, classes]`, each row's sum is 1."""

Labels = NDArray[np.int64]
"""`[frames]` class indices."""

_FLOOR = 1e-10


def median_smoothed(probabilities: Probabilities, width: int) -> Probabilities:
    """Take the median over time of each class's probability, and normalise each row to a sum of 1.

    Args:
        probabilities: `[frames, classes]`.
        width: Length of the filter in frames, an odd number; the first and last frame are repeated beyond the
            ends.

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
    """Return the path with the largest sum of log probabilities, minus a penalty for each change of class.

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
    """Merge every run of fewer than `shortest` frames into the neighbour that is more probable there.

    The shortest run is merged first, and neighbours with equal labels are joined. A recording that is shorter
    than `shortest` keeps one label.

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
    """Runs as a linked list with a heap by length, so that many short runs take n log n steps."""

    def __init__(self, labels: Labels, probabilities: Probabilities) -> None:
        self._runs = {first: [last, label] for first, last, label in runs(labels.tolist())}
        starts = list(self._runs)
        self._before = dict(zip(starts[1:], starts, strict=False))
        self._sums = np.vstack([np.zeros(probabilities.shape[1]), probabilities.cumsum(axis=0)])
        self._heap = [(last - first, first, last) for first, (last, _) in self._runs.items()]
        heapq.heapify(self._heap)

    def pop_shorter_than(self, shortest: int) -> int | None:
        """Return the first frame of the shortest run below a length; None if there is none to merge."""
        while self._heap and self._heap[0][0] < shortest and len(self._runs) > 1:
            _, first, last = heapq.heappop(self._heap)
            if self._runs.get(first, (None,))[0] == last:
                return first
        return None

    def absorb(self, first: int) -> None:
        last, _ = self._runs[first]
        before = self._before.get(first)
        near = [self._runs[run][1] for run in (before, last) if run in self._runs]
        probable = self._sums[last] - self._sums[first]
        self._runs[first][1] = max(near, key=lambda label: probable[label])
        self._join(first, last)
        if before is not None:
            self._join(before, first)
        self._push(first if first in self._runs or before is None else before)

    def _join(self, first: int, second: int) -> None:
        """Join two neighbours with equal labels."""
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
    """Return the number of frames in a time, rounded up, ignoring floating-point error."""
    return math.ceil(seconds / stride - 1e-6)


SMOOTHING = ("none", "median", "viterbi")


@dataclass(frozen=True)
class PostConfig:
    """How frame probabilities become segments.

    Args:
        smoothing: Smoothing of frames: none, median or viterbi. `none`: the most probable class of each
            frame. `median`: of each class's probability over `median_seconds`. `viterbi`: the most probable
            path, each change costing `switch_penalty`.
        median_seconds: Length of the median filter in s, rounded up to an odd number of frames.
        switch_penalty: Viterbi cost of a change of class, in natural log units.
        min_seconds: Shorter segments, in s, including neutral ones, are merged into the more probable
            neighbour; 0 keeps all.
        threshold: Events with a lower mean probability, 0 to 1, become neutral.

    Raises:
        UnknownNameError: For another smoothing.
        UsageError: For a number out of its range.
    """

    smoothing: str = "median"
    median_seconds: float = 0.5
    switch_penalty: float = 5.0
    min_seconds: float = 0.2
    threshold: float = 0.0

    def __post_init__(self) -> None:
        if self.smoothing not in SMOOTHING:
            raise UnknownNameError("smoothing", self.smoothing, SMOOTHING)
        for name in ("median_seconds", "switch_penalty", "min_seconds"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"post.{name} is {getattr(self, name)}; it must be 0 or more.")
        if not 0 <= self.threshold <= 1:
            raise UsageError(f"post.threshold is {self.threshold}; it must be a probability, 0 to 1.")


def to_segments(
    probabilities: Probabilities,
    classes: Sequence[str],
    stride: float,
    duration: float,
    config: PostConfig = PostConfig(),
    to_end: bool = True,
) -> tuple[ScoredSegment, ...]:
    """Turn frame probabilities into segments that fill the recording, including neutral ones.

    Args:
        probabilities: `[frames, classes]`.
        classes: Class names, "neutral" among them.
        stride: Seconds from one frame to the next, and the time that a frame covers.
        duration: Length of the recording in s.
        config: Smoothing, threshold and minimum duration.
        to_end: Whether the last frame extends to the end of the recording; else the rest has no segment.

    Returns:
        Segments whose confidence is the mean probability of their class, before smoothing.
    """
    labels = smoothed_labels(probabilities, stride, config)
    labels = without_weak_events(labels, probabilities, list(classes).index(NEUTRAL), config.threshold)
    labels = without_short_runs(labels, probabilities, frames_in(config.min_seconds, stride))
    names = [classes[label] for label in labels]
    segments = frames_to_segments(names, stride, stride, duration if to_end else None)
    means = run_means(labels, probabilities)
    return tuple(
        ScoredSegment(segment.start, segment.end, segment.emotion, mean)
        for segment, mean in zip(segments, means, strict=False)
    )


def smoothed_labels(probabilities: Probabilities, stride: float, config: PostConfig) -> Labels:
    """Return the class of each frame, `[frames]`, after the smoothing of `config`."""
    if config.smoothing == "viterbi":
        return viterbi(probabilities, config.switch_penalty)
    if config.smoothing == "median":
        width = frames_in(config.median_seconds, stride)
        probabilities = median_smoothed(probabilities, width + 1 - width % 2)
    labels: Labels = probabilities.argmax(axis=1)
    return labels


def without_weak_events(
    labels: Labels, probabilities: Probabilities, neutral: int, threshold: float
) -> Labels:
    """Return the labels, with events made neutral whose mean probability is below `threshold`."""
    strong = labels.copy()
    for (first, last, label), mean in zip(
        runs(labels.tolist()), run_means(labels, probabilities), strict=True
    ):
        if label != neutral and mean < threshold:
            strong[first:last] = neutral
    return strong


def run_means(labels: Labels, probabilities: Probabilities) -> list[float]:
    """Return the mean probability of the class of each run of labels, in order."""
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    return [float(own[first:last].mean()) for first, last, _ in runs(labels.tolist())]
