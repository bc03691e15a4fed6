"""A planned clip -> its waveform and its segments."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

from torch import Tensor

from sercl.audio.joining import join
from sercl.audio.loudness import matched, matched_to_first
from sercl.audio.resample import SAMPLE_RATE, load
from sercl.audio.voice import VoiceDetector, span
from sercl.corpora.base import Segment, Utterance
from sercl.corpora.labels import LabelScheme
from sercl.data.clips.config import ClipConfig
from sercl.data.clips.plan import Clip, Piece
from sercl.diarization.segments import filled, in_classes

_AT_ONCE = 64

Progress = Callable[[int, int], None]
"""Called with how many stretches are done, and how many there are."""


def cut_pieces(
    utterances: Sequence[tuple[Utterance, float]],
    scheme: LabelScheme,
    config: ClipConfig,
    on_progress: Progress | None = None,
) -> dict[str, tuple[Piece, ...]]:
    """Cut utterances to their speech.

    An utterance with `segments` is not of one emotion: each of its segments, and the neutral time between
    them, is cut by itself.

    Args:
        utterances: Each with its duration in s; their ids are unique.
        scheme: Emotion -> class.
        config: Whether and how speech is found, and the shortest piece.
        on_progress: Told how far the search for speech has come.

    Returns:
        Utterance id -> its pieces of at least `min_piece` seconds; none for one with too little speech.

    Raises:
        AudioError: If a file has become unreadable since it was scanned.
        SegmentError: For a segment whose emotion has no class.
    """
    whole = [piece for pair in utterances for piece in _labelled(*pair, scheme)]
    found = list(_spoken(whole, config, on_progress)) if config.voice == "silero" else whole
    pieces: dict[str, list[Piece]] = {utterance.id: [] for utterance, _ in utterances}
    for piece in found:
        if piece is not None and piece.seconds >= config.min_piece:
            pieces[piece.utterance.id].append(piece)
    return {id: tuple(own) for id, own in pieces.items()}


def _labelled(utterance: Utterance, seconds: float, scheme: LabelScheme) -> list[Piece]:
    if not utterance.segments:
        index = scheme.index(utterance.emotion)
        return [] if index is None else [Piece(utterance, 0.0, seconds, scheme.classes[index])]
    segments = in_classes(filled(utterance.segments, seconds), scheme)
    return [Piece(utterance, item.start, min(item.end, seconds), item.emotion) for item in segments]


def _spoken(
    pieces: Sequence[Piece], config: ClipConfig, on_progress: Progress | None
) -> Iterator[Piece | None]:
    detector = VoiceDetector(config.detector)
    for first in range(0, len(pieces), _AT_ONCE):
        batch = pieces[first : first + _AT_ONCE]
        for piece, stretches in zip(batch, detector.speech([_audio(piece) for piece in batch]), strict=True):
            speech = span(stretches)
            yield None if speech is None else _within(piece, *speech)
        if on_progress is not None:
            on_progress(first + len(batch), len(pieces))


def _audio(piece: Piece) -> Tensor:
    offset = piece.utterance.start or 0.0
    return load(piece.utterance.path, offset + piece.start, offset + piece.end)


def _within(piece: Piece, start: float, end: float) -> Piece:
    return Piece(piece.utterance, piece.start + start, min(piece.start + end, piece.end), piece.label)


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
