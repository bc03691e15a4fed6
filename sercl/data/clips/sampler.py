from sercl.data.clips.dataset import ClipSource
from sercl.data.config import LoaderConfig
from sercl.data.sampler import BATCHES_PER_BUCKET, Indices, LengthBucketBatchSampler


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
