"""From frame probabilities to segments: smoothing, threshold, minimum duration. No torch here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sercl.diarization.frames import frames_to_segments, runs
from sercl.diarization.segments import NEUTRAL, ScoredSegment
from sercl.diarization.smoothing import (
    Labels,
    Probabilities,
    frames_in,
    median_smoothed,
    viterbi,
    without_short_runs,
)
from sercl.errors import UnknownNameError, UsageError

SMOOTHING = ("none", "median", "viterbi")


@dataclass(frozen=True)
class PostConfig:
    """How frame probabilities become segments.

    Args:
        smoothing: `none` (most probable class of each frame), `median` (of each class's probability over
            `median_seconds`) or `viterbi` (most probable path, each change costing `switch_penalty`).
        median_seconds: Length of the median filter in s, rounded up to an odd number of frames.
        switch_penalty: What a change of class costs, in natural log units.
        min_seconds: Shorter segments, neutral ones too, go to the neighbour that is more probable; 0 keeps
            all.
        threshold: Events whose mean probability is lower, 0 to 1, become neutral.

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
    """Turn frame probabilities into segments that fill the recording, neutral ones spelt out.

    Args:
        probabilities: `[frames, classes]`.
        classes: Class names, "neutral" among them.
        stride: Seconds from one frame to the next, and what a frame stands for.
        duration: Length of the recording in s.
        config: Smoothing, threshold and minimum duration.
        to_end: Whether the last frame stands for all that remains of the recording; else that stays open.

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
    """Return the labels with events neutral whose mean probability is below `threshold`."""
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
