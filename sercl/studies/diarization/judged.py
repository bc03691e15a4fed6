"""Recordings with reference segments, and the segments that a system finds in them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sercl.corpora.base import Segment
from sercl.diarization.postprocess import PostConfig, to_segments
from sercl.tasks.diarizer import FrameScores
from sercl.tasks.predictor import Source


class System(Protocol):
    """Anything that gives class probabilities for the frames of a recording."""

    classes: tuple[str, ...]

    def frames(self, source: Source) -> FrameScores:
        """Return the class probabilities of a recording."""


@dataclass(frozen=True)
class Recording:
    """A recording to evaluate on.

    Attributes:
        id: Unique among the recordings.
        speaker: "corpus speaker", None where unknown.
        reference: Reference segments, named by class, including neutral ones.
        duration: Length in s.
        source: The file, or a waveform with its rate.
    """

    id: str
    speaker: str | None
    reference: tuple[Segment, ...]
    duration: float
    source: Source


class Recordings(Protocol):
    """Recordings that are created one at a time, so that they need not fit into memory together."""

    def __len__(self) -> int:
        """Their number."""

    def __iter__(self) -> Iterator[Recording]:
        """Create them, in order."""


@dataclass(frozen=True)
class Heard:
    """A recording without its audio, and the frames of every system.

    Attributes:
        id: As in the recording; so are the next three.
        speaker: "corpus speaker", None where unknown.
        reference: Reference segments.
        duration: Length in s.
        frames: System -> class probabilities.
    """

    id: str
    speaker: str | None
    reference: tuple[Segment, ...]
    duration: float
    frames: Mapping[str, FrameScores]


@dataclass(frozen=True)
class Judged:
    """A recording with its reference and the segments found.

    Attributes:
        id: As in the recording; so are the next two.
        speaker: "corpus speaker", None where unknown.
        reference: Reference segments.
        hypothesis: Segments found.
        duration: Length in s.
        uncovered: How time without a hypothesis segment is counted, see `metrics.functional.eder`.
    """

    id: str
    speaker: str | None
    reference: tuple[Segment, ...]
    hypothesis: tuple[Segment, ...]
    duration: float
    uncovered: str = "neutral"


def hear(
    recordings: Recordings, systems: Mapping[str, System], on_progress: Callable[[int], None] | None = None
) -> list[Heard]:
    """Run every system on every recording once.

    Args:
        recordings: The recordings.
        systems: Name -> system.
        on_progress: Called with the number of further recordings done.

    Raises:
        AudioError: For a recording that cannot be read or is too short for one frame.
    """
    heard = []
    for item in recordings:
        frames = {name: system.frames(item.source) for name, system in systems.items()}
        heard.append(Heard(item.id, item.speaker, item.reference, item.duration, frames))
        if on_progress is not None:
            on_progress(1)
    return heard


def found(
    heard: Sequence[Heard],
    system: str,
    classes: Sequence[str],
    post: PostConfig,
    uncovered: str = "neutral",
) -> list[Judged]:
    """Return the segments that a system finds in each recording.

    Args:
        heard: The recordings with the frames of every system.
        system: The system whose frames are used.
        classes: Class names.
        post: How they become segments.
        uncovered: "neutral": the last frame extends to the end of the recording; or "error": the rest has no
            segment, which counts as an error.
    """
    return [
        Judged(
            item.id,
            item.speaker,
            item.reference,
            _segments(item, system, classes, post, to_end=uncovered == "neutral"),
            item.duration,
            uncovered,
        )
        for item in heard
    ]


def nothing_found(heard: Sequence[Heard]) -> list[Judged]:
    """Return the segments of a baseline that labels every recording neutral throughout."""
    return [Judged(item.id, item.speaker, item.reference, (), item.duration) for item in heard]


def _segments(
    item: Heard, system: str, classes: Sequence[str], post: PostConfig, *, to_end: bool
) -> tuple[Segment, ...]:
    scores = item.frames[system]
    return to_segments(scores.probabilities, classes, scores.stride, scores.duration, post, to_end)
