"""Training batches of two corpora: one with its labels, and one that only lends its audio."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

from torch.utils.data import DataLoader, Dataset, Sampler

from sercl.batch import SOURCE, TARGET, UNLABELLED
from sercl.data.config import LoaderConfig
from sercl.data.dataset import Item, UtteranceDataset
from sercl.data.sampler import Key, LengthBucketBatchSampler
from sercl.data.split import Split, batches, collate_audio


class DomainDataset(Dataset[Item]):
    """Utterances with labels, then those of the target without, each with its domain.

    Args:
        labelled: Utterances whose labels are learnt.
        unlabelled: Utterances of the target; whatever labels they have, their items have `UNLABELLED`.
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
        # A few utterances of the target may have their labels, too.
        return item._replace(domain=TARGET if item.id in self._of_target else SOURCE)


class DomainBatchSampler(Sampler[list[Key]]):
    """Batches of utterances with labels, each joined by up to as many without; all with labels are an epoch.

    Those without labels come anew as often as it takes; the order differs each time.

    Args:
        labelled: Batches of the first part of a `DomainDataset`.
        unlabelled: Batches of the second part, counted from 0.
        sizes: How many utterances both parts have.
    """

    def __init__(
        self, labelled: LengthBucketBatchSampler, unlabelled: LengthBucketBatchSampler, sizes: tuple[int, int]
    ) -> None:
        self._labelled, self._unlabelled = labelled, unlabelled
        self._offset = sizes[0]
        self._rounds = -(-sizes[0] // sizes[1])
        self._epoch = 0

    @property
    def sampler(self) -> "DomainBatchSampler":
        """Return itself: Lightning calls `set_epoch` on `batch_sampler.sampler`, never on a batch sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self._epoch = epoch
        self._labelled.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self._labelled)

    def __iter__(self) -> Iterator[list[Key]]:
        others, rest = self._without_labels(), list[Key]()
        for batch in self._labelled:
            # Never more than a batch of the target's own, which keeps within the bounds of its durations.
            rest = rest or next(others)
            taken, rest = rest[: len(batch)], rest[len(batch) :]
            yield [*batch, *taken]

    def _without_labels(self) -> Iterator[list[Key]]:
        for number in count(self._epoch * self._rounds):
            self._unlabelled.set_epoch(number)
            for batch in self._unlabelled:
                yield [(epoch, self._offset + index) for epoch, index in batch]


def domain_loader(labelled: Split, unlabelled: Split) -> DataLoader[Item]:
    """Return shuffled training batches in which each half keeps to half of the bounds of its corpus.

    Args:
        labelled: The training part.
        unlabelled: Utterances of the target, of whose labels nothing is seen.
    """
    parts = [replace(split, config=_half(split.config)) for split in (labelled, unlabelled)]
    first, second = parts
    datasets = (
        UtteranceDataset(first.utterances, first.labels, first.augment, first.config.seed),
        UtteranceDataset(
            second.utterances, [UNLABELLED] * len(second.utterances), second.augment, second.config.seed
        ),
    )
    samplers = [part.sampler(part.config.batch_seconds, training=True) for part in parts]
    sizes = (len(first.utterances), len(second.utterances))
    sampler = DomainBatchSampler(samplers[0], samplers[1], sizes)
    return batches(DomainDataset(*datasets), sampler, collate_audio, first.config.workers)


def _half(config: LoaderConfig) -> LoaderConfig:
    size = max(1, config.batch_size // 2) if config.batch_size else 0
    return replace(config, batch_size=size, batch_seconds=config.batch_seconds / 2)
