from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from sercl.audio.augment import Augment
from sercl.audio.preprocess import PreprocessConfig, seconds_after
from sercl.audio.voice import Speech
from sercl.batch import SOURCE, TARGET, UNLABELLED, AudioBatch, FeatureBatch, FrameBatch
from sercl.corpora.base import Utterance
from sercl.data.clips.dataset import FrameItem
from sercl.data.config import LoaderConfig
from sercl.data.dataset import FeatureDataset, FeatureItem, Item, UtteranceDataset
from sercl.data.sampler import EpochSampler, Key, LengthBucketBatchSampler


def collate_audio(items: Sequence[Item]) -> AudioBatch:
    """Pad clips on the right into one batch."""
    batch = AudioBatch.from_clips(
        [item.waveform for item in items],
        [item.label for item in items],
        [item.id for item in items],
        [item.speech for item in items],
    )
    domains = [item.domain for item in items if item.domain is not None]
    return replace(
        batch,
        domains=torch.tensor(domains, dtype=torch.int64) if domains else None,
        corpora=_corpora_of(items),
    )


def collate_features(items: Sequence[FeatureItem]) -> FeatureBatch:
    """Stack pooled hidden states into one batch."""
    return FeatureBatch(
        features=torch.stack([item.features for item in items]),
        labels=torch.tensor([item.label for item in items], dtype=torch.int64),
        ids=tuple(item.id for item in items),
        corpora=_corpora_of(items),
    )


def _corpora_of(items: Sequence[Item] | Sequence[FeatureItem]) -> tuple[str, ...] | None:
    names = tuple(item.corpus for item in items if item.corpus is not None)
    return names if len(names) == len(items) else None


def collate_frames(items: Sequence[FrameItem]) -> FrameBatch:
    """Pad clips and their labels on the right into one batch."""
    return FrameBatch.from_clips(
        [item.waveform for item in items], [item.labels for item in items], [item.id for item in items]
    )


LENGTHS_PER_SECOND = 20
"""Resolution at which lengths are compared if samples differ, since lossy copies are a little longer."""


class Take(NamedTuple):
    """The identity of a recording: file, hash of the samples, and file name with length (`likeness`)."""

    path: Path
    audio_key: str
    likeness: str


def likeness(utterance: Utterance, seconds: float) -> str:
    """Return what a clip and a resampled or lossy copy have in common: file name, start, rough length."""
    return f"{utterance.path.stem.lower()} {utterance.start or 0:.2f} {int(seconds * LENGTHS_PER_SECOND)}"


@dataclass(frozen=True)
class Split:
    """The clips of one part of a corpus, and how they are loaded.

    Attributes:
        utterances: The clips, checked.
        labels: Class index of each.
        seconds: Duration of each in s.
        audio_keys: Hash of each one's samples and their rate: equal if the audio is the same.
        config: How they are batched.
        augment: Applied to training clips only; None for none.
        preprocess: What is done to each before the encoder.
        speech: Stretches of speech of each clip, none where preprocessing needs none; by default of no clip.
        corpora: Name of the corpus that each clip belongs to; by default that of the utterance.
    """

    utterances: tuple[Utterance, ...]
    labels: tuple[int, ...]
    seconds: tuple[float, ...]
    audio_keys: tuple[str, ...]
    config: LoaderConfig
    augment: Augment | None = None
    preprocess: PreprocessConfig = PreprocessConfig.RAW
    speech: tuple[tuple[Speech, ...], ...] = ()
    corpora: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.corpora:
            object.__setattr__(self, "corpora", tuple(item.corpus for item in self.utterances))
        if not self.speech:
            object.__setattr__(self, "speech", ((),) * len(self.utterances))

    @property
    def prepared_seconds(self) -> tuple[float, ...]:
        """Duration of each clip in s after preprocessing."""
        if not self.preprocess.changes_length:
            return self.seconds
        rows = zip(self.seconds, self.speech, strict=True)
        return tuple(seconds_after(seconds, speech, self.preprocess) for seconds, speech in rows)

    @property
    def takes(self) -> tuple["Take", ...]:
        """The identity of each clip."""
        rows = zip(self.utterances, self.seconds, self.audio_keys, strict=True)
        return tuple(Take(item.path, key, likeness(item, seconds)) for item, seconds, key in rows)

    def joined(self, others: Iterable["Split"]) -> "Split":
        """Return the clips of this split followed by those of others, loaded like these."""
        splits = (self, *others)
        return replace(
            self,
            utterances=tuple(item for split in splits for item in split.utterances),
            labels=tuple(item for split in splits for item in split.labels),
            seconds=tuple(item for split in splits for item in split.seconds),
            audio_keys=tuple(item for split in splits for item in split.audio_keys),
            speech=tuple(item for split in splits for item in split.speech),
            corpora=tuple(item for split in splits for item in split.corpora),
        )

    def audio_loader(self, training: bool, even: bool = True) -> DataLoader[Item]:
        """Return batches of type `AudioBatch`.

        Args:
            training: Whether clips are shuffled and augmented; if not, the longest come first.
            even: Whether every process gets the same number of batches.
        """
        augment = self.augment if training else None
        sampler = self.sampler(self.config.batch_seconds, training, even)
        dataset = self.dataset(self.labels, augment)
        return batches(dataset, sampler, collate_audio, self.config.workers)

    def dataset(self, labels: Sequence[int], augment: Augment | None) -> UtteranceDataset:
        """Return the clips as a dataset with other labels and augmentation."""
        return UtteranceDataset(
            self.utterances, labels, augment, self.config.seed, self.preprocess, self.speech, self.corpora
        )

    def feature_loader(
        self, features: Mapping[str, Tensor], training: bool, even: bool = True
    ) -> DataLoader[FeatureItem]:
        """Return batches of type `FeatureBatch`; durations are ignored if `batch_size` bounds them.

        Args:
            features: Utterance id -> `[states, dim]`.
            training: Whether clips are shuffled.
            even: As in `audio_loader`.
        """
        dataset = FeatureDataset(features, self.utterances, self.labels, self.corpora)
        bound = 0.0 if self.config.batch_size else self.config.batch_seconds
        return batches(dataset, self.sampler(bound, training, even), collate_features, workers=0)

    def sampler(self, batch_seconds: float, training: bool, even: bool = True) -> LengthBucketBatchSampler:
        """Return the sampler that batches the clips.

        Args:
            batch_seconds: Upper bound of a batch in s of padded audio; 0 for none.
            training: As in `audio_loader`, like `even`.
            even: Whether every process gets the same number of batches.
        """
        config, seconds = self.config, self.prepared_seconds
        if training and self.augment is not None and self.augment.config.speed is not None:
            # Slowing a clip down makes it longer: the bound must hold for the slowest speed.
            seconds = tuple(value / min(1.0, self.augment.config.speed[0]) for value in seconds)
        bounds = (batch_seconds or None, config.batch_size or None)
        return LengthBucketBatchSampler(seconds, *bounds, shuffle=training, seed=config.seed, even=even)


def picked(split: Split, indices: Sequence[int]) -> Split:
    """Return a split of the utterances at some indices, in that order; repeated ones occur as often."""
    return replace(
        split,
        utterances=tuple(split.utterances[index] for index in indices),
        labels=tuple(split.labels[index] for index in indices),
        seconds=tuple(split.seconds[index] for index in indices),
        audio_keys=tuple(split.audio_keys[index] for index in indices),
        speech=tuple(split.speech[index] for index in indices),
        corpora=tuple(split.corpora[index] for index in indices),
    )


def batches(
    dataset: Dataset[Any],
    sampler: Sampler[list[Key]],
    collate: Callable[[Sequence[Any]], object],
    workers: int,
) -> DataLoader[Any]:
    """Return a loader of a dataset with the batches of a sampler."""
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        # Without its own generator, each new iterator would draw from the global one, and dropout after an
        # extra validation run or a resume would differ.
        generator=torch.Generator(),
    )


class DomainDataset(Dataset[Item]):
    """Labelled utterances, then unlabelled ones of the target, each with its domain.

    Args:
        labelled: Utterances whose labels are learnt.
        unlabelled: Utterances of the target; their items have the label `UNLABELLED`, even if they have
            labels.
    """

    def __init__(self, labelled: UtteranceDataset, unlabelled: UtteranceDataset) -> None:
        self.labelled, self.unlabelled = labelled, unlabelled
        self._of_target = {utterance.id for utterance in unlabelled.utterances}

    def __len__(self) -> int:
        return len(self.labelled) + len(self.unlabelled)

    def __getitem__(self, key: Key) -> Item:
        """Decode one utterance; raises as `UtteranceDataset`."""
        epoch, index = key
        if index >= len(self.labelled):
            item = self.unlabelled[epoch, index - len(self.labelled)]
            return item._replace(label=UNLABELLED, domain=TARGET)
        item = self.labelled[key]
        # A few utterances of the target may be labelled, too.
        return item._replace(domain=TARGET if item.id in self._of_target else SOURCE)


class DomainBatchSampler(EpochSampler):
    """Batches of labelled utterances, each with up to as many unlabelled ones; an epoch has all labels.

    Unlabelled utterances are repeated as often as needed, each time in another order.

    Args:
        labelled: Batches of the first part of a `DomainDataset`.
        unlabelled: Batches of the second part, counted from 0.
        sizes: Number of utterances of both parts.
    """

    def __init__(
        self, labelled: LengthBucketBatchSampler, unlabelled: LengthBucketBatchSampler, sizes: tuple[int, int]
    ) -> None:
        self._labelled, self._unlabelled = labelled, unlabelled
        self._offset = sizes[0]
        self._rounds = -(-sizes[0] // sizes[1])
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose order comes next."""
        self._epoch = epoch
        self._labelled.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._labelled)

    def batches(self) -> Iterator[list[Key]]:
        """Yield the batches of this process in the epoch."""
        others, rest = self._without_labels(), list[Key]()
        for batch in self._labelled:
            # Never more than one batch of the target, which is within the bounds.
            rest = rest or next(others)
            taken, rest = rest[: len(batch)], rest[len(batch) :]
            yield [*batch, *taken]

    def _without_labels(self) -> Iterator[list[Key]]:
        for number in count(self._epoch * self._rounds):
            self._unlabelled.set_epoch(number)
            for batch in self._unlabelled:
                yield [(epoch, self._offset + index) for epoch, index in batch]


def domain_loader(labelled: Split, unlabelled: Split) -> DataLoader[Item]:
    """Return shuffled training batches in which each half stays within half of the bounds of its corpus.

    Args:
        labelled: The training part.
        unlabelled: Utterances of the target, whose labels are not used.
    """
    parts = [replace(split, config=_half(split.config)) for split in (labelled, unlabelled)]
    first, second = parts
    datasets = (
        first.dataset(first.labels, first.augment),
        second.dataset([UNLABELLED] * len(second.utterances), second.augment),
    )
    samplers = [part.sampler(part.config.batch_seconds, training=True) for part in parts]
    sizes = (len(first.utterances), len(second.utterances))
    sampler = DomainBatchSampler(samplers[0], samplers[1], sizes)
    return batches(DomainDataset(*datasets), sampler, collate_audio, first.config.workers)


def _half(config: LoaderConfig) -> LoaderConfig:
    size = max(1, config.batch_size // 2) if config.batch_size else 0
    return replace(config, batch_size=size, batch_seconds=config.batch_seconds / 2)
