from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from sercl.audio.augment import Augment
from sercl.audio.files import Versions
from sercl.audio.loudness import join, matched, matched_to_first
from sercl.audio.resample import SAMPLE_RATE, load
from sercl.audio.voice import VoiceDetector, span
from sercl.batch import LABEL_HOP
from sercl.corpora.base import Segment, Utterance
from sercl.corpora.labels import LabelScheme
from sercl.data.clips.config import ClipConfig
from sercl.data.clips.plan import NEUTRAL_CLASS, Clip, Piece, Planner, clip_seconds
from sercl.data.config import LoaderConfig
from sercl.data.dataset import item_generator
from sercl.data.sampler import BATCHES_PER_BUCKET, Indices, Key, LengthBucketBatchSampler
from sercl.diarization.frames import segments_to_frames
from sercl.diarization.segments import filled, in_classes

_AT_ONCE = 64

Progress = Callable[[int, int], None]
"""Called with the number of stretches done, and their total."""


def cut_pieces(
    utterances: Sequence[tuple[Utterance, float]],
    scheme: LabelScheme,
    config: ClipConfig,
    on_progress: Progress | None = None,
) -> dict[str, tuple[Piece, ...]]:
    """Cut utterances to their speech.

    An utterance with `segments` has several emotions: each of its segments, and the neutral time between
    them, is cut separately.

    Args:
        utterances: Utterances with their durations in s; ids are unique.
        scheme: Emotion -> class.
        config: Whether and how speech is detected, and the minimum length of a piece.
        on_progress: Called with the progress of the search for speech.

    Returns:
        Utterance id -> its pieces of at least `min_piece` seconds; empty if there is too little speech.

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
        clip: The plan of the clip.
        config: Loudness, cross-fade and maximum length.

    Returns:
        Waveform `[n]`, float32, 16 kHz, whose samples may exceed -1..1; and segments in s that fill it,
        including neutral ones, whose `emotion` is the class.

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


class FrameItem(NamedTuple):
    """One clip: `waveform` `[samples]` float32, 16 kHz; `labels` `[steps]` class indices; its id."""

    waveform: Tensor
    labels: Tensor
    id: str


class ClipSampler:
    """The clips of one part: a fixed list, or drawn anew for each epoch.

    Args:
        clips: A list that is the same in every epoch, or a planner.
        count: Clips in an epoch, for a planner.
        config: How clips are built.
    """

    def __init__(self, clips: Sequence[Clip] | Planner, count: int, config: ClipConfig) -> None:
        self._clips, self.config = clips, config
        self.count = count if isinstance(clips, Planner) else len(clips)

    @property
    def fixed(self) -> bool:
        """Whether every epoch has the same clips."""
        return not isinstance(self._clips, Planner)

    def clip(self, epoch: int, index: int) -> Clip:
        """Return a clip of an epoch."""
        if isinstance(self._clips, Planner):
            return self._clips.plan(epoch * self.count + index)
        return self._clips[index]

    def epoch(self, epoch: int) -> list[Clip]:
        """Return all clips of an epoch."""
        return [self.clip(epoch, index) for index in range(self.count)]

    def seconds(self, epoch: int) -> list[float]:
        """Return the duration of every clip of an epoch in s."""
        return [clip_seconds(clip, self.config) for clip in self.epoch(epoch)]


class ClipDataset(Dataset[FrameItem]):
    """Built clips, addressed by `(epoch, index)`.

    Args:
        source: The clips.
        classes: Class names; their index is the label.
        augment: Applied to every clip; None for no augmentation.
        seed: The augmentation of a clip depends only on `(seed, epoch, index)`.
    """

    def __init__(
        self, source: ClipSampler, classes: Sequence[str], augment: Augment | None = None, seed: int = 0
    ) -> None:
        self._source, self._classes = source, list(classes)
        self._augment, self._seed = augment, seed
        self._versions = Versions()

    def __len__(self) -> int:
        return self._source.count

    def __getitem__(self, key: Key) -> FrameItem:
        """Build one clip.

        Raises:
            AudioError: If a file has become unreadable since it was scanned, or has changed.
        """
        epoch, index = key
        clip = self._source.clip(epoch, index)
        waveform, segments = render(clip, self._source.config)
        for piece in clip.pieces:
            self._versions.check(piece.utterance.path)
        if self._augment is not None:
            before = len(waveform)
            waveform = self._augment(waveform, item_generator(self._seed, epoch, index))
            segments = _stretched(segments, len(waveform) / before)
        return FrameItem(waveform, _labels(segments, len(waveform), self._classes), clip.id)


def _stretched(segments: Sequence[Segment], factor: float) -> list[Segment]:
    """Return the segments of a clip whose speed was changed."""
    return [Segment(item.start * factor, item.end * factor, item.emotion) for item in segments]


def _labels(segments: Sequence[Segment], samples: int, classes: Sequence[str]) -> Tensor:
    steps = -(-samples // LABEL_HOP)
    # The last step extends beyond the clip; so may its middle, which then belongs to the last segment.
    *before, last = segments
    whole = [*before, Segment(last.start, steps * LABEL_HOP / SAMPLE_RATE, last.emotion)]
    names = segments_to_frames(whole, steps, LABEL_HOP / SAMPLE_RATE, NEUTRAL_CLASS)
    return torch.tensor([classes.index(name) for name in names], dtype=torch.int64)


class ClipBatchSampler(LengthBucketBatchSampler):
    """Batches of clips of similar duration, for clips that change with each epoch.

    The number of clips in a batch is fixed, so that every epoch has the same number of batches; it is chosen
    so that a batch of the longest clips (of `max_seconds`, or the longest of the first epoch) stays within
    the bound.

    Args:
        source: The clips.
        config: Bounds of a batch, and seed.
        slowest: Factor by which augmentation may lengthen a clip.
    """

    def __init__(self, source: ClipSampler, config: LoaderConfig, slowest: float = 1.0) -> None:
        self._source = source
        longest = (source.config.max_seconds or max(source.seconds(0))) * slowest
        by_seconds = int(config.batch_seconds / longest) if config.batch_seconds else source.count
        self._clips = max(1, min(by_seconds, config.batch_size or source.count))
        super().__init__(source.seconds(0), None, self._clips, shuffle=True, seed=config.seed)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose clips come next."""
        super().set_epoch(epoch)
        self._seconds[:] = self._source.seconds(epoch)
        self._buckets = self._cut_into_buckets()

    def _cut_into_buckets(self) -> list[tuple[Indices, int]]:
        order = (-self._seconds).argsort(kind="stable")
        size = self._clips * BATCHES_PER_BUCKET
        return [(order[first : first + size], self._clips) for first in range(0, len(order), size)]
