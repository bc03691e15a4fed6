"""The batches that data hands to models: the one thing the two share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class AudioBatch:
    """A padded batch of clips.

    Attributes:
        waveforms: `[batch, samples]` float32 in -1..1, mono, zero beyond each row's length.
        lengths: `[batch]` int64, valid samples per row.
        labels: `[batch]` int64 class indices, or None where there is no truth (prediction).
        ids: Utterance ids, `batch` long.
    """

    waveforms: Tensor
    lengths: Tensor
    labels: Tensor | None
    ids: tuple[str, ...]

    @classmethod
    def from_clips(
        cls, clips: Sequence[Tensor], labels: Sequence[int] | None = None, ids: Sequence[str] | None = None
    ) -> "AudioBatch":
        """Zero-pad mono clips (each `[samples]`) on the right into one batch."""
        return cls(
            waveforms=torch.nn.utils.rnn.pad_sequence(list(clips), batch_first=True),
            lengths=torch.tensor([clip.shape[-1] for clip in clips], dtype=torch.int64),
            labels=None if labels is None else torch.tensor(labels, dtype=torch.int64),
            ids=tuple(ids) if ids is not None else tuple(str(i) for i in range(len(clips))),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Return the batch with its tensors on `device`."""
        labels = None if self.labels is None else self.labels.to(device, non_blocking=non_blocking)
        return replace(
            self,
            waveforms=self.waveforms.to(device, non_blocking=non_blocking),
            lengths=self.lengths.to(device, non_blocking=non_blocking),
            labels=labels,
        )

    def pin_memory(self) -> Self:
        """Return the batch in page-locked memory (called by the DataLoader)."""
        labels = None if self.labels is None else self.labels.pin_memory()
        return replace(
            self, waveforms=self.waveforms.pin_memory(), lengths=self.lengths.pin_memory(), labels=labels
        )


@dataclass(frozen=True)
class FeatureBatch:
    """Pooled hidden states of a frozen encoder, in place of the clips they came from.

    Attributes:
        features: `[batch, states, dim]` float32, one pooled vector per hidden state.
        labels: `[batch]` int64 class indices, or None.
        ids: Utterance ids, `batch` long.
    """

    features: Tensor
    labels: Tensor | None
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Return the batch with its tensors on `device`."""
        labels = None if self.labels is None else self.labels.to(device, non_blocking=non_blocking)
        return replace(self, features=self.features.to(device, non_blocking=non_blocking), labels=labels)

    def pin_memory(self) -> Self:
        """Return the batch in page-locked memory (called by the DataLoader)."""
        labels = None if self.labels is None else self.labels.pin_memory()
        return replace(self, features=self.features.pin_memory(), labels=labels)
