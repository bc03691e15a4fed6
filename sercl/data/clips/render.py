"""A planned clip -> its waveform and its segments."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from torch import Tensor

from sercl.audio.joining import join
from sercl.audio.loudness import matched, matched_to_first
from sercl.audio.resample import SAMPLE_RATE, load
from sercl.corpora.base import Segment
from sercl.data.clips.config import ClipConfig
from sercl.data.clips.plan import Clip, Piece


def render(clip: Clip, config: ClipConfig) -> tuple[Tensor, list[Segment]]:
    """Build a clip.

    Args:
        clip: What it is made of.
        config: Loudness, cross-fade and greatest length.

    Returns:
        Waveform `[n]`, float32, 16 kHz, whose samples may leave -1..1; and segments in s that fill it,
        neutral ones spelt out, whose `emotion` is the class.

    Raises:
        AudioError: If a file has become unreadable since it was scanned.
    """
    pieces = [_read(piece) for piece in clip.pieces]
    pieces = _LEVELS[config.loudness](pieces)
    waveform, boundaries = join(pieces, round(config.crossfade * SAMPLE_RATE))
    first, last = _crop(len(waveform), clip.crop, config.max_seconds)
    edges = [min(max(edge, first), last) - first for edge in (0, *boundaries, len(waveform))]
    segments = [
        Segment(start / SAMPLE_RATE, end / SAMPLE_RATE, piece.label)
        for (start, end), piece in zip(pairwise(edges), clip.pieces, strict=True)
        if start < end
    ]
    return waveform[first:last], segments


_LEVELS: Mapping[str, Callable[[Sequence[Tensor]], list[Tensor]]] = {
    "match": matched,
    "first": matched_to_first,
    "keep": list,
}


def _read(piece: Piece) -> Tensor:
    offset = piece.utterance.start or 0.0
    return load(piece.utterance.path, offset + piece.start, offset + piece.end)


def _crop(samples: int, share: float, max_seconds: float) -> tuple[int, int]:
    kept = round(max_seconds * SAMPLE_RATE) or samples
    if samples <= kept:
        return 0, samples
    first = round(share * (samples - kept))
    return first, first + kept
