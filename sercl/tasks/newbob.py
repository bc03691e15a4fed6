"""NewBob: learning rates that fall wherever a validation error falls too little."""

from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from sercl.errors import UsageError

MONITOR = "val/error"


@dataclass(frozen=True)
class NewBobConfig:
    """Learning rates that fall by the validation error of frames, as in SpeechBrain's ZED recipe.

    Args:
        enabled: Whether rates fall so; else they follow the optimiser's schedule.
        threshold: Rates fall after an epoch in which the error fell by less than this share of itself.
        head: Factor of the head's rate, above 0 and at most 1.
        encoder: Factor of the rate of encoder or adapters.

    Raises:
        UsageError: For a number out of its range.
    """

    enabled: bool = False
    threshold: float = 0.0025
    head: float = 0.8
    encoder: float = 0.9

    def __post_init__(self) -> None:
        for name in ("head", "encoder"):
            if not 0 < getattr(self, name) <= 1:
                raise UsageError(f"newbob.{name} is {getattr(self, name)}; it must be above 0 and at most 1.")
        if not self.threshold >= 0:
            raise UsageError(f"newbob.threshold is {self.threshold}; it must be 0 or more.")


class NewBob(ReduceLROnPlateau):
    """Multiply the rate of each parameter group by its factor wherever the error falls too little.

    Args:
        optimizer: With groups that have a "name": "head", or another.
        config: Threshold and factors.
    """

    def __init__(self, optimizer: Optimizer, config: NewBobConfig) -> None:
        super().__init__(optimizer)
        self.limit, self.head, self.rest = config.threshold, config.head, config.encoder
        self.previous: float | None = None

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]  # as torch does
        """Take in the error of an epoch."""
        error = float(metrics)
        self.last_epoch += 1
        if self.previous is not None and self._gain(error, self.previous) < self.limit:
            for group in self.optimizer.param_groups:
                group["lr"] *= self.head if group["name"] == "head" else self.rest
        self.previous = error
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    @staticmethod
    def _gain(error: float, previous: float) -> float:
        return (previous - error) / previous if previous else 0.0
