"""The batches that data modules pass to models; nothing else is shared by both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Self, TypeVar

import torch
from torch import Tensor

UNLABELLED = -1
"""Label of an utterance without a known class: the emotion loss ignores it."""

SOURCE, TARGET = 0, 1
"""Domains in adversarial training: the labelled corpus, and the one to adapt to."""

Stretches = tuple[tuple[float, float], ...]
"""Parts of a clip: start and end of each, in s."""


def by_length(lengths: Sequence[float], most: float) -> list[list[int]]:
    """Return batches of indices of similar lengths, shortest first.

    Args:
        lengths: Of clips.
        most: Maximum padded length of a batch (clips x longest clip); a longer clip is a batch by itself.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):  # so the newest is the longest
        if batches and (len(batches[-1]) + 1) * lengths[index] <= most:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


@dataclass(frozen=True)
class AudioBatch:
    """A padded batch of clips.

    Attributes:
        waveforms: `[batch, samples]` float32 in -1..1, mono, zero beyond each row's length.
        lengths: `[batch]` int64, valid samples per row.
        labels: `[batch]` int64 class indices or `UNLABELLED`, or None if there are no labels (prediction).
        ids: Utterance ids, `batch` long.
        domains: `[batch]` int64 `SOURCE` or `TARGET` in adversarial training, else None.
        speech: Parts of each clip whose frames are used (of a clip without any, all are used); None to use
            all frames of all clips.
        corpora: Name of each clip's corpus, for statistics of each; None where it is not known.
    """

    waveforms: Tensor
    lengths: Tensor
    labels: Tensor | None
    ids: tuple[str, ...]
    domains: Tensor | None = None
    speech: tuple[Stretches, ...] | None = None
    corpora: tuple[str, ...] | None = None

    @classmethod
    def from_clips(
        cls,
        clips: Sequence[Tensor],
        labels: Sequence[int] | None = None,
        ids: Sequence[str] | None = None,
        speech: Sequence[Stretches | None] = (),
    ) -> "AudioBatch":
        """Zero-pad mono clips (each `[samples]`) on the right into one batch."""
        return cls(
            waveforms=torch.nn.utils.rnn.pad_sequence(list(clips), batch_first=True),
            lengths=torch.tensor([clip.shape[-1] for clip in clips], dtype=torch.int64),
            labels=None if labels is None else torch.tensor(labels, dtype=torch.int64),
            ids=tuple(ids) if ids is not None else tuple(str(i) for i in range(len(clips))),
            speech=tuple(own or () for own in speech) if any(own is not None for own in speech) else None,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, wanted: Tensor) -> Self:
        """Return some clips as a batch, no longer than the longest of them.

        Args:
            wanted: `[batch]` bool, with at least one True.
        """
        lengths, kept = self.lengths[wanted], wanted.tolist()
        return replace(
            self,
            waveforms=self.waveforms[wanted, : int(lengths.max())],
            lengths=lengths,
            labels=None if self.labels is None else self.labels[wanted],
            ids=tuple(compress(self.ids, kept)),
            domains=None if self.domains is None else self.domains[wanted],
            speech=None if self.speech is None else tuple(compress(self.speech, kept)),
            corpora=None if self.corpora is None else tuple(compress(self.corpora, kept)),
        )

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Return the batch with its tensors on `device`."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """Return the batch in page-locked memory (called by the DataLoader)."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        return replace(
            self,
            waveforms=change(self.waveforms),
            lengths=change(self.lengths),
            labels=None if self.labels is None else change(self.labels),
            domains=None if self.domains is None else change(self.domains),
        )


@dataclass(frozen=True)
class FeatureBatch:
    """Pooled hidden states of a frozen encoder, instead of the clips.

    Attributes:
        features: `[batch, states, dim]` float32, one pooled vector per hidden state.
        labels: `[batch]` int64 class indices, or None.
        ids: Utterance ids, `batch` long.
        corpora: Name of each utterance's corpus; None where it is not known.
    """

    features: Tensor
    labels: Tensor | None
    ids: tuple[str, ...]
    corpora: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, wanted: Tensor) -> Self:
        """Return some utterances as a batch.

        Args:
            wanted: `[batch]` bool.
        """
        kept = wanted.tolist()
        return replace(
            self,
            features=self.features[wanted],
            labels=None if self.labels is None else self.labels[wanted],
            ids=tuple(compress(self.ids, kept)),
            corpora=None if self.corpora is None else tuple(compress(self.corpora, kept)),
        )

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Return the batch with its tensors on `device`."""
        labels = None if self.labels is None else self.labels.to(device, non_blocking=non_blocking)
        return replace(self, features=self.features.to(device, non_blocking=non_blocking), labels=labels)

    def pin_memory(self) -> Self:
        """Return the batch in page-locked memory (called by the DataLoader)."""
        labels = None if self.labels is None else self.labels.pin_memory()
        return replace(self, features=self.features.pin_memory(), labels=labels)


LABEL_HOP = 64
"""Samples from one label of a `FrameBatch` to the next, 4 ms: five of them make the 20 ms of an encoder's
frame, whose middle is then the middle of a label."""

NO_LABEL = -100
"""Label beyond a clip's end; torch's losses ignore it."""


@dataclass(frozen=True)
class FrameBatch:
    """A padded batch of clips in which the class changes over time.

    Attributes:
        waveforms: `[batch, samples]` float32, mono, zero beyond each row's length.
        lengths: `[batch]` int64, valid samples per row.
        labels: `[batch, steps]` int64 class indices, one for every `LABEL_HOP` samples, `NO_LABEL` beyond
            each row's end.
        ids: Clip ids, `batch` long.
    """

    waveforms: Tensor
    lengths: Tensor
    labels: Tensor
    ids: tuple[str, ...]

    @classmethod
    def from_clips(
        cls, clips: Sequence[Tensor], labels: Sequence[Tensor], ids: Sequence[str] | None = None
    ) -> "FrameBatch":
        """Pad mono clips (each `[samples]`) and their labels (each `[steps]`) on the right into one batch."""
        audio = AudioBatch.from_clips(clips, ids=ids)
        padded = torch.nn.utils.rnn.pad_sequence(list(labels), batch_first=True, padding_value=NO_LABEL)
        return cls(audio.waveforms, audio.lengths, padded, audio.ids)

    def rows(self, wanted: Tensor) -> Self:
        """Return some clips as a batch of the same length, so that it has the same frames.

        Args:
            wanted: `[batch]` bool, with at least one True.
        """
        ids = tuple(compress(self.ids, wanted.tolist()))
        return replace(
            self,
            waveforms=self.waveforms[wanted],
            lengths=self.lengths[wanted],
            labels=self.labels[wanted],
            ids=ids,
        )

    @property
    def audio(self) -> AudioBatch:
        """The clips without their labels."""
        return AudioBatch(self.waveforms, self.lengths, None, self.ids)

    def labels_of_frames(self, frames: int, hop: float) -> Tensor:
        """Return the label at the middle of each frame, `[batch, frames]`.

        Args:
            frames: Number of frames; those beyond a row's labels get `NO_LABEL`.
            hop: Samples from one frame to the next; frame i covers samples `i * hop` to `(i + 1) * hop`.
        """
        middles = (torch.arange(frames, device=self.labels.device, dtype=torch.float64) + 0.5) * hop
        steps = (middles / LABEL_HOP).long()
        inside = steps < self.labels.shape[1]
        labels = self.labels[:, steps.clamp(max=self.labels.shape[1] - 1)]
        return labels.masked_fill(~inside, NO_LABEL)

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Return the batch with its tensors on `device`."""
        return replace(
            self,
            waveforms=self.waveforms.to(device, non_blocking=non_blocking),
            lengths=self.lengths.to(device, non_blocking=non_blocking),
            labels=self.labels.to(device, non_blocking=non_blocking),
        )

    def pin_memory(self) -> Self:
        """Return the batch in page-locked memory (called by the DataLoader)."""
        return replace(
            self,
            waveforms=self.waveforms.pin_memory(),
            lengths=self.lengths.pin_memory(),
            labels=self.labels.pin_memory(),
        )


Batch = TypeVar("Batch", AudioBatch, FeatureBatch, FrameBatch)


def parts_of(batch: Batch, count: int) -> list[Batch]:
    """Return a batch as a number of parts, at most `most_parts`; each kind of clip is divided evenly."""
    count = min(count, most_parts(batch))
    numbers = torch.zeros(len(batch), dtype=torch.int64)
    for kind in _kinds(batch):
        numbers[kind] = torch.arange(len(kind)) * count // len(kind)
    return [batch.rows(numbers == part) for part in range(count)]


def most_parts(batch: Batch) -> int:
    """Return the largest number of parts of a batch that each have a clip of every kind."""
    return min(len(kind) for kind in _kinds(batch))


def _kinds(batch: Batch) -> list[Tensor]:
    """Return the rows of each kind of clip that there is; adversarial training has two: labelled, and not."""
    if not isinstance(batch, AudioBatch) or batch.domains is None or batch.labels is None:
        return [torch.arange(len(batch))]
    is_labelled = (batch.labels != UNLABELLED).cpu()
    return [kind.nonzero().flatten() for kind in (is_labelled, ~is_labelled) if kind.any()]


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """Return both halves of a batch of at least two clips."""
    first, second = parts_of(batch, 2)
    return first, second
