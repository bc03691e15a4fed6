from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Self

import numpy as np
import numpy.typing as npt
import torch.distributed as dist
from torch.utils.data import Sampler

from sercl.counting import count
from sercl.errors import UsageError

BATCHES_PER_BUCKET = 8
"""Number of batches drawn from one range of durations: more mixes better, fewer needs less padding."""

Indices = npt.NDArray[np.int64]

Key = tuple[int, int]
"""`(epoch, index)`: besides the seed, all that an item may depend on."""


class EpochSampler(Sampler[list[Key]]):
    """Batches that depend on the epoch, which may be continued within an epoch."""

    _skipped = 0

    @property
    def sampler(self) -> Self:
        """Return itself: Lightning calls `set_epoch` on `batch_sampler.sampler`, never on a batch sampler."""
        return self

    def skip(self, count: int) -> None:
        """Leave out the first batches of the next iteration, which a training has had already.

        Args:
            count: How many batches of this process; the length stays that of the whole epoch.
        """
        self._skipped = count

    def __iter__(self) -> Iterator[list[Key]]:
        skipped, self._skipped = self._skipped, 0
        return islice(self.batches(), skipped, None)

    @abstractmethod
    def batches(self) -> Iterator[list[Key]]:
        """Yield the batches of the epoch."""


class LengthBucketBatchSampler(EpochSampler):
    """Batches of clips of similar duration, bounded by their padded total.

    With `shuffle`, the clips, sorted by duration, are cut into buckets of `BATCHES_PER_BUCKET` batches each;
    clips are drawn at random within their bucket, and the batches of all buckets come in random order. If
    not, they are cut straight into batches and the longest come first, so that a batch too large for the
    memory fails at once. The number of batches is the same in every epoch.

    With `torch.distributed`, the batches are distributed over the processes: the largest ones are halved
    until every process gets the same number, and no clip is repeated or left out, neither in training nor in
    evaluation. If all batches are single clips already, the shortest are joined instead, and those few
    batches may exceed the bounds.

    Args:
        seconds: Duration of each clip, `[clips]`, in s.
        batch_seconds: Upper bound of `clips x longest clip` of a batch, in s; a single longer clip is a batch
            of its own. None puts clips of all durations together.
        batch_size: Maximum number of clips in a batch; None for no bound.
        shuffle: Whether the order changes with the epoch.
        seed: The order depends only on `(seed, epoch)`.
        even: Whether every process gets the same number of batches, as training and metrics need it. If not,
            the batches are those of a single process, and one may get none.

    Raises:
        UsageError: If both bounds are None, or one is not positive.
    """

    def __init__(
        self,
        seconds: Sequence[float],
        batch_seconds: float | None,
        batch_size: int | None,
        shuffle: bool,
        seed: int,
        even: bool = True,
    ) -> None:
        _check_bounds(batch_seconds, batch_size)
        self._seconds = np.asarray(seconds, dtype=np.float64)
        self._batch_seconds, self._batch_size = batch_seconds, batch_size
        self._shuffle, self._seed, self._epoch = shuffle, seed, 0
        self._even = even
        self._buckets = self._cut_into_buckets()

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose order comes next."""
        self._epoch = epoch

    def __len__(self) -> int:
        rank, world = _rank_and_world()
        return len(self._deal(self._batches(), rank, world))

    def batches(self) -> Iterator[list[Key]]:
        """Yield the batches of this process in the epoch."""
        rank, world = _rank_and_world()
        epoch = self._epoch
        for batch in self._deal(self._batches(), rank, world):
            yield [(epoch, int(index)) for index in batch]

    def _cut_into_buckets(self) -> list[tuple[Indices, int]]:
        """Return (clips, clips per batch), the longest first; only the last can have an incomplete batch."""
        batches = BATCHES_PER_BUCKET if self._shuffle else 1
        order = np.argsort(-self._seconds, kind="stable")
        buckets = []
        while len(order):
            size = self._clips_per_batch(self._seconds[order[0]])
            count = len(order) if self._batch_seconds is None else size * batches
            buckets.append((order[:count], size))
            order = order[count:]
        return buckets

    def _clips_per_batch(self, longest: float) -> int:
        size = len(self._seconds) if self._batch_size is None else self._batch_size
        if self._batch_seconds is not None and longest > 0:
            size = int(min(size, float(self._batch_seconds) / float(longest)))
        return max(size, 1)

    def _batches(self) -> list[Indices]:
        generator = np.random.default_rng((self._seed, self._epoch)) if self._shuffle else None
        batches = []
        for bucket, size in self._buckets:
            drawn = bucket if generator is None else generator.permutation(bucket)
            batches += [drawn[start : start + size] for start in range(0, len(drawn), size)]
        if generator is not None:
            batches = [batches[index] for index in generator.permutation(len(batches))]
        return batches

    def _deal(self, batches: list[Indices], rank: int, world: int) -> list[Indices]:
        """Return the batches of one process; processes share no clip."""
        if not self._even:
            return batches[rank::world]
        if batches and len(self._seconds) < world:
            raise UsageError(
                f"{count(len(self._seconds), 'utterance')} cannot be spread over {world} processes. "
                "Use fewer devices (--trainer.devices)."
            )
        batches = list(batches)
        while len(batches) % world and max(map(len, batches)) > 1:
            largest = max(range(len(batches)), key=lambda index: len(batches[index]))
            batches[largest : largest + 1] = np.array_split(batches[largest], 2)
        while len(batches) % world:
            self._join_shortest(batches)
        return batches[rank::world]

    def _join_shortest(self, batches: list[Indices]) -> None:
        indices = sorted(range(len(batches)), key=lambda index: self._seconds[batches[index]].sum())
        first, second = sorted(indices[:2])
        batches[first] = np.concatenate([batches[first], batches.pop(second)])


def _check_bounds(batch_seconds: float | None, batch_size: int | None) -> None:
    if batch_seconds is None and batch_size is None:
        raise UsageError("batches have no bound: set batch_size (clips) or batch_seconds (s), or both.")
    for name, value in (("batch_seconds", batch_seconds), ("batch_size", batch_size)):
        if value is not None and not value > 0:
            raise UsageError(f"{name} is {value}; it must be above 0.")


def _rank_and_world() -> tuple[int, int]:
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
