"""Options of the feature store. Imports no torch."""

from dataclasses import dataclass
from pathlib import Path

from sercl.audio.workers import MOST_WORKERS
from sercl.errors import UnknownNameError, UsageError
from sercl.files import cache_folder

PRECISIONS = ("fp32", "bf16", "fp16")


def default_folder() -> Path:
    """Return the default folder of hidden states: `sercl/features` in the user's cache."""
    return cache_folder() / "features"


@dataclass(frozen=True)
class FeatureConfig:
    """How hidden states of a frozen encoder are computed, and where they are stored.

    Args:
        dir: Folder where hidden states are stored; null for one in the user's cache. That is sercl/features
            below $XDG_CACHE_HOME, or ~/.cache. Several machines may share one on a common file system.
        precision: Precision of the encoder's forward pass: fp32, bf16 or fp16. Hidden states are stored
            separately for each.
        batch_seconds: Upper bound of a batch in s of padded audio (clips x longest clip). 0 chooses by
            device.
        workers: Processes that decode audio ahead; 0 decodes in the main process, null chooses by device.

    Raises:
        UnknownNameError: For another precision.
        UsageError: For a number out of its range.
    """

    dir: str | None = None
    precision: str = "fp32"
    batch_seconds: float = 0.0
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UnknownNameError("features.precision", self.precision, PRECISIONS)
        for name in ("batch_seconds", "workers"):
            if getattr(self, name) is not None and not getattr(self, name) >= 0:
                raise UsageError(f"features.{name} is {getattr(self, name)}; it must be 0 or more.")

        if self.workers is not None and self.workers > MOST_WORKERS:
            raise UsageError(
                f"features.workers is {self.workers}; at most {MOST_WORKERS} processes are started."
            )

    @property
    def folder(self) -> Path:
        """The folder of the store."""
        return default_folder() if self.dir is None else Path(self.dir).expanduser()
