from dataclasses import dataclass

from sercl.errors import UsageError


@dataclass(frozen=True)
class LoaderConfig:
    """How clips are checked, batched and read.

    Args:
        batch_size: Most clips in a batch; null for no bound other than batch_seconds.
        batch_seconds: Upper bound of a batch in s of padded audio (clips x longest clip); clips of similar
            duration then share a batch. null puts clips of all durations together.
        workers: Processes that decode audio; 0 decodes in the main process, 4 to 8 keep a GPU busy.
        min_seconds: Clips shorter than this, in s, are a problem (see on_error).
        max_seconds: Clips longer than this, in s, are a problem (see on_error); null accepts every length.
        seed: Order and augmentation of training clips depend on (seed, epoch, clip) alone.
    """

    batch_size: int | None = 32
    batch_seconds: float | None = 120.0
    workers: int = 0
    min_seconds: float = 0.1
    max_seconds: float | None = 30.0
    seed: int = 42

    def __post_init__(self) -> None:
        if self.batch_size is None and self.batch_seconds is None:
            raise UsageError("batches have no bound: set batch_size (clips) or batch_seconds (s), or both.")
        _check_least("batch_size", self.batch_size, 1)
        _check_least("workers", self.workers, 0)
        _check_least("min_seconds", self.min_seconds, 0)
        _check_least("seed", self.seed, 0)
        _check_above("batch_seconds", self.batch_seconds, 0)
        _check_above("max_seconds", self.max_seconds, self.min_seconds)


def _check_least(name: str, value: float | None, least: float) -> None:
    if value is not None and not value >= least:
        raise UsageError(f"loader.{name} is {value}; it must be {least} or more.")


def _check_above(name: str, value: float | None, bound: float) -> None:
    if value is not None and not value > bound:
        raise UsageError(f"loader.{name} is {value}; it must be greater than {bound}.")
