"""Optimisers with a learning rate per part of the model, their schedules, and the weights of mean losses."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from sercl.batch import NO_LABEL
from sercl.errors import UnknownNameError, UsageError

SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW, one learning rate per part of the model.

    Args:
        head_lr: Learning rate of pooling, layer weights and head.
        adapter_lr: Learning rate of adapters.
        encoder_lr: Learning rate of the encoder's own weights, if trained.
        weight_decay: Decoupled weight decay.
        eps: AdamW's epsilon.
        schedule: constant or cosine (to zero at the last step).
        warmup: Fraction of all steps (0 to 1) over which the rates rise linearly from zero.
    """

    head_lr: float = 1e-3
    adapter_lr: float = 5e-4
    encoder_lr: float = 1e-5
    weight_decay: float = 1e-5
    eps: float = 1e-8
    schedule: str = "constant"
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise UnknownNameError("schedule", self.schedule, SCHEDULES)
        for name in ("head_lr", "adapter_lr", "encoder_lr"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"optimizer.{name} is {getattr(self, name)}; it must be above 0.")
        for name in ("weight_decay", "eps"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"optimizer.{name} is {getattr(self, name)}; it must be 0 or more.")
        if not 0 <= self.warmup < 1:
            raise UsageError(f"optimizer.warmup is {self.warmup}; it must be a share from 0 to below 1.")

    def rate(self, group: str) -> float:
        """Return the learning rate of the group "head", "adapter" or "encoder"."""
        return {"head": self.head_lr, "adapter": self.adapter_lr, "encoder": self.encoder_lr}[group]

    def factor(self, step: int, total_steps: float) -> float:
        """Return the factor of every learning rate at a step (0-based)."""
        warm = int(self.warmup * total_steps) if math.isfinite(total_steps) else 0
        if step < warm:
            return (step + 1) / warm
        if self.schedule == "constant" or not math.isfinite(total_steps):
            return 1.0
        progress = (step - warm) / max(1, total_steps - warm)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def build_optimizer(groups: Mapping[str, Sequence[nn.Parameter]], config: OptimizerConfig) -> AdamW:
    """Build AdamW with one parameter group per non-empty entry of `groups` ("head", "adapter", "encoder")."""
    return AdamW(
        [
            {"params": list(parameters), "lr": config.rate(name), "name": name}
            for name, parameters in groups.items()
            if parameters
        ],
        eps=config.eps,
        weight_decay=config.weight_decay,
    )


def build_schedule(optimizer: AdamW, config: OptimizerConfig, total_steps: float) -> LambdaLR:
    """Build the step-wise schedule; `total_steps` may be infinite if training has no limit."""
    return LambdaLR(optimizer, lambda step: config.factor(step, total_steps))


MONITOR = "val/error"


@dataclass(frozen=True)
class NewBobConfig:
    """Learning rates reduced by the validation frame error, as in SpeechBrain's ZED recipe.

    Args:
        enabled: Whether NewBob is used; else rates follow the optimiser's schedule.
        threshold: Rates are reduced after an epoch with a smaller relative improvement than this.
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
    """Multiply the rate of each parameter group by its factor when the error improves too little.

    Args:
        optimizer: An optimiser whose groups have a "name": "head", or another.
        config: Threshold and factors.
    """

    def __init__(self, optimizer: Optimizer, config: NewBobConfig) -> None:
        super().__init__(optimizer)
        self.limit, self.head, self.rest = config.threshold, config.head, config.encoder
        self.previous: float | None = None

    def step(self, metrics: Any, epoch: int | None = None) -> None:  # type: ignore[override]  # as torch does
        """Record the error of an epoch."""
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


def mean_weight(labels: Tensor, weights: Tensor | None) -> Tensor:
    """Return the divisor of torch's mean cross-entropy over some labels, `[]`.

    Means of batches that are averaged with these weights are the mean over all of them.

    Args:
        labels: Class indices of any shape; `NO_LABEL` is ignored.
        weights: `[classes]` class weights; None for equal weights.
    """
    counted = labels[labels != NO_LABEL]
    if weights is None:
        return torch.tensor(float(counted.numel()), device=labels.device)
    return weights[counted].sum()
