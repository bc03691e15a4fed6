from dataclasses import dataclass

from sercl.audio.workers import MOST_WORKERS
from sercl.errors import UsageError


@dataclass(frozen=True)
class LoaderConfig:
    """How clips are checked, batched and read.

    Args:
        batch_size: Maximum number of clips in a batch; 0 for no limit other than batch_seconds.
        batch_seconds: Upper bound of a batch in s of padded audio (clips x longest clip); clips of similar
            duration then share a batch. 0 for no limit, which batches clips of all durations together.
        workers: Processes that decode audio; 0 decodes in the main process, 4 to 8 keep a GPU busy.
        min_seconds: Clips shorter than this, in s, are a problem (see on_error).
        max_seconds: Clips longer than this, in s, are a problem (see on_error); 0 accepts every length.
        seed: Order and augmentation of training clips depend only on (seed, epoch, clip).

    Raises:
        UsageError: For a number out of its range, or batches without any bound.
    """

    # "No limit" is 0, not None: the command line cannot set an option this deep to null.
    batch_size: int = 32
    batch_seconds: float = 120.0
    workers: int = 0
    min_seconds: float = 0.1
    max_seconds: float = 30.0
    seed: int = 42

    def __post_init__(self) -> None:
        for name in ("batch_size", "batch_seconds", "workers", "min_seconds", "max_seconds", "seed"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"loader.{name} is {getattr(self, name)}; it must be 0 or more.")
        if self.workers > MOST_WORKERS:
            raise UsageError(
                f"loader.workers is {self.workers}; at most {MOST_WORKERS} processes are started."
            )
        if self.batch_size == 0 and self.batch_seconds == 0:
            raise UsageError("loader: batches have no bound. Set batch_size (clips) or batch_seconds (s).")
        if 0 < self.max_seconds <= self.min_seconds:
            raise UsageError(
                f"loader.max_seconds is {self.max_seconds}; it must be greater than min_seconds "
                f"({self.min_seconds}), or 0 for no bound."
            )
