"""Optimiser groups with learning rates of their own, warm-up and cosine decay."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from sercl.errors import UnknownNameError, UsageError

SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW, one learning rate per part of the model.

    Args:
        head_lr: Learning rate of pooling, layer weights and head.
        adapter_lr: Learning rate of adapters.
        encoder_lr: Learning rate of the encoder's own weights, where they are trained.
        weight_decay: Decoupled weight decay.
        eps: AdamW's epsilon.
        schedule: constant or cosine (to zero at the last step).
        warmup: Share of all steps (0 to 1) over which the rates rise linearly from zero.
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
            if getattr(self, name) <= 0:
                raise UsageError(f"optimizer.{name} is {getattr(self, name)}; it must be above 0.")
        if not 0 <= self.warmup < 1:
            raise UsageError(f"optimizer.warmup is {self.warmup}; it must be a share from 0 to below 1.")

    def rate(self, group: str) -> float:
        """Return the learning rate of the group "head", "adapter" or "encoder"."""
        return {"head": self.head_lr, "adapter": self.adapter_lr, "encoder": self.encoder_lr}[group]

    def factor(self, step: int, total_steps: float) -> float:
        """Return what every learning rate is multiplied by at a step (0-based)."""
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
    """Build the step-wise schedule; `total_steps` may be infinite where training has no set end."""
    return LambdaLR(optimizer, lambda step: config.factor(step, total_steps))
