from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from sercl.audio.augment import Augment
from sercl.audio.resample import SAMPLE_RATE
from sercl.batch import LABEL_HOP
from sercl.corpora.base import Segment
from sercl.data.clips.config import ClipConfig
from sercl.data.clips.plan import NEUTRAL_CLASS, Clip, Planner, clip_seconds
from sercl.data.clips.render import render
from sercl.data.config import LoaderConfig
from sercl.data.dataset import item_generator
from sercl.data.sampler import BATCHES_PER_BUCKET, Indices, Key, LengthBucketBatchSampler
from sercl.diarization.frames import segments_to_frames


class FrameItem(NamedTuple):
    """One clip: `waveform` `[samples]` float32, 16 kHz; `labels` `[steps]` class indices; its id."""

    waveform: Tensor
    labels: Tensor
    id: str


class ClipSource:
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
        classes: Class names; their position is the label.
        augment: Applied to every clip; None for clips as they are.
        seed: The augmentation of a clip depends on `(seed, epoch, index)` alone.
    """

    def __init__(
        self, source: ClipSource, classes: Sequence[str], augment: Augment | None = None, seed: int = 0
    ) -> None:
        self._source, self._classes = source, list(classes)
        self._augment, self._seed = augment, seed

    def __len__(self) -> int:
        return self._source.count

    def __getitem__(self, key: Key) -> FrameItem:
        """Build one clip.

        Raises:
            AudioError: If a file has become unreadable since it was scanned.
        """
        epoch, index = key
        clip = self._source.clip(epoch, index)
        waveform, segments = render(clip, self._source.config)
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
    # The last step reaches beyond the clip; its middle may, too, and belongs to the last segment then.
    *before, last = segments
    whole = [*before, Segment(last.start, steps * LABEL_HOP / SAMPLE_RATE, last.emotion)]
    names = segments_to_frames(whole, steps, LABEL_HOP / SAMPLE_RATE, NEUTRAL_CLASS)
    return torch.tensor([classes.index(name) for name in names], dtype=torch.int64)


class ClipBatchSampler(LengthBucketBatchSampler):
    """Batches of clips of similar duration, where each epoch has other clips.

    The number of clips in a batch is fixed, so that every epoch has the same number of batches; it is chosen
    so that a batch of the longest clips (of `max_seconds`, or the longest of the first epoch) keeps to the
    bound.

    Args:
        source: The clips.
        config: Bounds of a batch, and seed.
        slowest: Factor by which augmentation may lengthen a clip.
    """

    def __init__(self, source: ClipSource, config: LoaderConfig, slowest: float = 1.0) -> None:
        self._source = source
        longest = (source.config.max_seconds or max(source.seconds(0))) * slowest
        by_seconds = int(config.batch_seconds / longest) if config.batch_seconds else source.count
        self._clips = max(1, min(by_seconds, config.batch_size or source.count))
        super().__init__(source.seconds(0), None, self._clips, shuffle=True, seed=config.seed)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose clips come next."""
        super().set_epoch(epoch)
        self._seconds[:] = self._source.seconds(epoch)
        self._buckets = self._cut_into_buckets()

    def _cut_into_buckets(self) -> list[tuple[Indices, int]]:
        order = (-self._seconds).argsort(kind="stable")
        size = self._clips * BATCHES_PER_BUCKET
        return [(order[first : first + size], self._clips) for first in range(0, len(order), size)]
