"""Clips of which the truth is known, with what a model finds in them."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from sercl.audio.resample import SAMPLE_RATE
from sercl.batch import LABEL_HOP, NO_LABEL, FrameBatch
from sercl.corpora.base import Segment
from sercl.diarization.frames import frames_to_segments
from sercl.diarization.postprocess import PostConfig, to_segments
from sercl.diarization.segments import ScoredSegment


@dataclass(frozen=True)
class JudgedClip:
    """A clip: its truth, what was found, and its length in s."""

    id: str
    reference: tuple[Segment, ...]
    hypothesis: tuple[ScoredSegment, ...]
    duration: float


def judge(
    batch: FrameBatch,
    probabilities: Tensor,
    lengths: Tensor,
    classes: Sequence[str],
    stride: float,
    post: PostConfig,
) -> list[JudgedClip]:
    """Return truth and segments of every clip of a batch.

    Args:
        batch: The clips.
        probabilities: `[batch, frames, classes]`.
        lengths: `[batch]` valid frames.
        classes: Class names.
        stride: Seconds from one frame to the next.
        post: How frame probabilities become segments.
    """
    frames = probabilities.float().cpu().numpy()
    clips = []
    for row, (id, count, samples) in enumerate(
        zip(batch.ids, lengths.tolist(), batch.lengths.tolist(), strict=True)
    ):
        duration = samples / SAMPLE_RATE
        found = to_segments(frames[row, :count], classes, stride, duration, post)
        clips.append(JudgedClip(id, _truth(batch.labels[row], classes, duration), found, duration))
    return clips


def _truth(labels: Tensor, classes: Sequence[str], duration: float) -> tuple[Segment, ...]:
    step = LABEL_HOP / SAMPLE_RATE
    names = [classes[label] for label in labels[labels != NO_LABEL].tolist()]
    return tuple(frames_to_segments(names, step, step, duration))
