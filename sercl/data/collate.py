from collections.abc import Sequence
from dataclasses import replace

import torch

from sercl.batch import AudioBatch, FeatureBatch, FrameBatch
from sercl.data.clips.dataset import FrameItem
from sercl.data.dataset import FeatureItem, Item


def collate_audio(items: Sequence[Item]) -> AudioBatch:
    """Pad clips on the right into one batch."""
    batch = AudioBatch.from_clips(
        [item.waveform for item in items], [item.label for item in items], [item.id for item in items]
    )
    domains = [item.domain for item in items if item.domain is not None]
    return replace(batch, domains=torch.tensor(domains, dtype=torch.int64)) if domains else batch


def collate_features(items: Sequence[FeatureItem]) -> FeatureBatch:
    """Stack pooled hidden states into one batch."""
    return FeatureBatch(
        features=torch.stack([item.features for item in items]),
        labels=torch.tensor([item.label for item in items], dtype=torch.int64),
        ids=tuple(item.id for item in items),
    )


def collate_frames(items: Sequence[FrameItem]) -> FrameBatch:
    """Pad clips and their labels on the right into one batch."""
    return FrameBatch.from_clips(
        [item.waveform for item in items], [item.labels for item in items], [item.id for item in items]
    )
