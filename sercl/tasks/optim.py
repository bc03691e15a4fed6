"""Optimisers with a learning rate per part of the model, and their schedules, by name or import path."""

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import nn
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from sercl.errors import SerclError, UsageError
from sercl.imports import ClassSpec


class NewBob(ReduceLROnPlateau):
    """Multiply the rate of each parameter group by a factor when the error improves too little.

    As in SpeechBrain's recipe for ZED.

    Args:
        optimizer: An optimiser whose groups have a "name": "head", or another.
        threshold: Rates are reduced after an epoch with a smaller relative improvement than this.
        head: Factor of the head's rate, above 0 and at most 1.
        encoder: Factor of the rate of encoder or adapters.

    Raises:
        UsageError: For a number out of its range.
    """

    def __init__(
        self, optimizer: Optimizer, threshold: float = 0.0025, head: float = 0.8, encoder: float = 0.9
    ) -> None:
        super().__init__(optimizer)
        for name, factor in (("head", head), ("encoder", encoder)):
            if not 0 < factor <= 1:
                raise UsageError(f"newbob: {name} is {factor}; it must be above 0 and at most 1.")
        if not threshold >= 0:
            raise UsageError(f"newbob: threshold is {threshold}; it must be 0 or more.")
        self.limit, self.head, self.rest = threshold, head, encoder
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


_OPTIMIZERS = (
    "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop",
    "Rprop", "SGD",
)  # fmt: skip
"""Those of torch that step once per batch, on weights of any shape."""

ALGORITHMS: Mapping[str, type[Optimizer]] = MappingProxyType(
    {name.lower(): getattr(torch.optim, name) for name in _OPTIMIZERS}
    | {f"torch.optim.{name}": getattr(torch.optim, name) for name in _OPTIMIZERS}
)
"""Every optimiser by its short name and its import path."""

_SCHEDULES = (
    "ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR", "ExponentialLR", "LinearLR",
    "MultiStepLR", "OneCycleLR", "PolynomialLR", "ReduceLROnPlateau", "StepLR",
)  # fmt: skip
"""Those of torch whose arguments are plain data."""

OWN_SCHEDULES = ("constant", "cosine")
SCHEDULES: Mapping[str, Any] = MappingProxyType(
    {"constant": LambdaLR, "cosine": LambdaLR, "one-cycle": OneCycleLR, "plateau": ReduceLROnPlateau}
    | {"newbob": NewBob}
    | {f"torch.optim.lr_scheduler.{name}": getattr(lr_scheduler, name) for name in _SCHEDULES}
)
"""Every schedule by its short name and its import path."""

_PER_STEP = (LambdaLR, OneCycleLR, lr_scheduler.CyclicLR)
"""Schedules that change the rates after each step; torch documents all others per epoch."""

_TRIAL_STEPS = 100
_CLOSURES = "takes several steps per batch, which training does not support"


@dataclass(frozen=True)
class OptimizerConfig:
    """An optimiser with a learning rate per part of the model, and a schedule of the rates.

    Args:
        head_lr: Learning rate of pooling, layer weights, head and loss.
        adapter_lr: Learning rate of adapters.
        encoder_lr: Learning rate of the encoder's own weights, if trained.
        weight_decay: Weight decay (decoupled with adamw), for algorithms that have one.
        eps: AdamW's epsilon.
        algorithm: adamw, sgd, adam, rmsprop, radam, ... or the import path of an optimiser, with further
            arguments under init_args (momentum, betas, ...).
        schedule: constant, cosine (to zero at the last step), one-cycle, plateau, newbob, or the import path
            of a schedule of torch.optim.lr_scheduler or of your own, with its arguments under init_args.
        warmup: Fraction of all steps (0 to 1) over which the rates rise linearly from zero; for constant and
            cosine.
        monitor: Validation value that plateau and newbob follow. Null: val/loss, for diarizers val/error.

    Raises:
        UnknownNameError: For an unknown algorithm, schedule, or argument of one.
        UsageError: For a number out of its range, or arguments that are missing or set elsewhere.
        ImportNotAllowedError: For a package that the user does not allow.
    """

    head_lr: float = 1e-3
    adapter_lr: float = 5e-4
    encoder_lr: float = 1e-5
    weight_decay: float = 1e-5
    eps: float = 1e-8
    algorithm: str | dict[str, Any] = "adamw"
    schedule: str | dict[str, Any] = "constant"
    warmup: float = 0.0
    monitor: str | None = None

    def __post_init__(self) -> None:
        for name in ("head_lr", "adapter_lr", "encoder_lr"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"optimizer.{name} is {getattr(self, name)}; it must be above 0.")
        for name in ("weight_decay", "eps"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"optimizer.{name} is {getattr(self, name)}; it must be 0 or more.")
        if not 0 <= self.warmup < 1:
            raise UsageError(f"optimizer.warmup is {self.warmup}; it must be from 0 to below 1.")
        for name, named in (("algorithm", ALGORITHMS), ("schedule", SCHEDULES)):
            spec = ClassSpec.of(getattr(self, name), f"model.optimizer.{name}", named)
            if not spec.arguments:
                object.__setattr__(self, name, spec.name)
        _check_algorithm(self)
        _check_schedule(self)
        # Built on a trial parameter, so that what only the classes refuse is refused before training.
        build_schedule(build_optimizer({"head": [nn.Parameter(torch.zeros(2, 2))]}, self), self, _TRIAL_STEPS)

    def rate(self, group: str) -> float:
        """Return the learning rate of the group "head", "adapter" or "encoder"."""
        return {"head": self.head_lr, "adapter": self.adapter_lr, "encoder": self.encoder_lr}[group]

    def factor(self, step: int, total_steps: float) -> float:
        """Return the factor of every learning rate at a step (0-based), of constant and cosine."""
        warm = int(self.warmup * total_steps) if math.isfinite(total_steps) else 0
        if step < warm:
            return (step + 1) / warm
        if self.schedule == "constant" or not math.isfinite(total_steps):
            return 1.0
        progress = (step - warm) / max(1, total_steps - warm)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    @property
    def is_default_kind(self) -> bool:
        """Whether it is AdamW with a constant or cosine schedule."""
        return self.algorithm == "adamw" and self.schedule in OWN_SCHEDULES


_ALGORITHM, _SCHEDULE = "model.optimizer.algorithm", "model.optimizer.schedule"


def _algorithm(config: OptimizerConfig) -> tuple[ClassSpec, Any]:
    spec = ClassSpec.of(config.algorithm, _ALGORITHM, ALGORITHMS)
    if spec.name.lower().rpartition(".")[2] == "lbfgs":
        raise UsageError(
            f"--{_ALGORITHM} {spec.name}: {_CLOSURES}. Valid: "
            f"{', '.join(name for name in ALGORITHMS if '.' not in name)}."
        )
    return spec, spec.find(ALGORITHMS, _ALGORITHM, Optimizer)


def _check_algorithm(config: OptimizerConfig) -> None:
    spec, kind = _algorithm(config)
    parameters = inspect.signature(kind).parameters
    _refuse_set_elsewhere(
        spec, _ALGORITHM, {"lr": "head_lr, adapter_lr and encoder_lr", "weight_decay": "it"}
    )
    spec.check(kind, _ALGORITHM, _PARAMETERS, ("lr", "weight_decay"))
    if config.weight_decay != OptimizerConfig.weight_decay and "weight_decay" not in parameters:
        raise UsageError(f"--model.optimizer.weight_decay {config.weight_decay}: {spec.name} has none.")
    if config.eps != OptimizerConfig.eps and not _is_adamw(kind):
        other = (
            f"For {spec.name}, give --{_ALGORITHM}.init_args.eps."
            if "eps" in parameters
            else (f"{spec.name} has none; leave it out.")
        )
        raise UsageError(f"--model.optimizer.eps {config.eps}: is AdamW's. {other}")
    if _is_adamw(kind) and "eps" in spec.arguments:
        raise UsageError(f"--{_ALGORITHM}.init_args.eps: is set with --model.optimizer.eps.")


_PARAMETERS = ("the parameter groups",)
"""What an optimiser is called with."""


def _is_adamw(kind: Any) -> bool:
    return kind is torch.optim.AdamW


def _refuse_set_elsewhere(spec: ClassSpec, option: str, elsewhere: Mapping[str, str]) -> None:
    for name, other in elsewhere.items():
        if name in spec.arguments:
            own = f"--model.optimizer.{name}" if other == "it" else other
            raise UsageError(f"--{option}.init_args.{name}: is set with {own}.")


def _schedule(config: OptimizerConfig) -> tuple[ClassSpec, Any]:
    spec = ClassSpec.of(config.schedule, _SCHEDULE, SCHEDULES)
    package, _, name = spec.name.rpartition(".")
    if name in _NOT_PLAIN and package in ("", "torch.optim.lr_scheduler"):
        raise UsageError(
            f"--{_SCHEDULE} {spec.name}: takes {_NOT_PLAIN[name]}, which no option can give. Write a "
            "subclass that makes them, and name it by its import path."
        )
    return spec, spec.find(SCHEDULES, _SCHEDULE, LRScheduler)


_NOT_PLAIN = {
    "LambdaLR": "functions",
    "MultiplicativeLR": "functions",
    "ChainedScheduler": "other schedules",
    "SequentialLR": "other schedules",
}
"""Schedules of torch whose arguments are no plain data -> what these are."""


def _check_schedule(config: OptimizerConfig) -> None:
    spec, kind = _schedule(config)
    if spec.name in OWN_SCHEDULES:
        if spec.arguments:
            raise UsageError(
                f"--{_SCHEDULE} {spec.name}: takes no init_args; warmup is an option of its own."
            )
    else:
        spec.check(kind, _SCHEDULE, filled=_filled(kind, spec))
    if config.warmup and spec.name not in OWN_SCHEDULES:
        raise UsageError(
            f"--model.optimizer.warmup {config.warmup}: is for the schedules constant and cosine, not "
            f"{spec.name}."
        )
    if config.monitor is not None and not follows_validation(config):
        raise UsageError(
            f"--model.optimizer.monitor {config.monitor}: only plateau and newbob follow a value, not "
            f"{spec.name}."
        )


def _filled(kind: Any, spec: ClassSpec) -> tuple[str, ...]:
    """Return the arguments of a schedule that `build_schedule` sets: the optimiser, and derived ones."""
    names = list(inspect.signature(kind).parameters)
    own = [name for name in ("max_lr", "total_steps") if name in names and name not in spec.arguments]
    return (names[0], "last_epoch", *own)


def build_optimizer(groups: Mapping[str, Sequence[nn.Parameter]], config: OptimizerConfig) -> Optimizer:
    """Build an optimiser with one parameter group per non-empty entry of `groups`.

    Args:
        groups: "head", "adapter" or "encoder" -> its trained parameters.
        config: Algorithm and learning rates.

    Raises:
        UsageError: For arguments that the algorithm refuses.
    """
    spec, kind = _algorithm(config)
    arguments = dict(spec.arguments)
    if "weight_decay" in inspect.signature(kind).parameters:
        arguments["weight_decay"] = config.weight_decay
    if _is_adamw(kind):
        arguments["eps"] = config.eps
    named = [
        {"params": list(parameters), "lr": config.rate(name), "name": name}
        for name, parameters in groups.items()
        if parameters
    ]
    return cast(
        Optimizer, ClassSpec(spec.name, arguments).build(kind, _ALGORITHM, dict.fromkeys(_PARAMETERS, named))
    )


def build_schedule(optimizer: Optimizer, config: OptimizerConfig, total_steps: float) -> LRScheduler:
    """Build the schedule.

    Args:
        optimizer: From `build_optimizer`.
        config: Its schedule; the rates of its groups are the highest of schedules with a `max_lr`.
        total_steps: Steps of the training; infinite without a limit.

    Raises:
        UsageError: For arguments that the schedule refuses, or one that needs the number of steps where there
            is no limit.
    """
    spec, kind = _schedule(config)
    if spec.name in OWN_SCHEDULES:
        return LambdaLR(optimizer, lambda step: config.factor(step, total_steps))
    filled: dict[str, Any] = {"max_lr": [group["lr"] for group in optimizer.param_groups]}
    if "total_steps" in (wanted := _filled(kind, spec)) and "epochs" not in spec.arguments:
        if not math.isfinite(total_steps) or total_steps < 1:
            raise UsageError(
                f"--{_SCHEDULE} {spec.name}: needs the number of steps. Give --trainer.max_epochs or "
                "--trainer.max_steps."
            )
        filled["total_steps"] = int(total_steps)
    arguments = {**{name: value for name, value in filled.items() if name in wanted}, **spec.arguments}
    return cast(
        LRScheduler, ClassSpec(spec.name, arguments).build(kind, _SCHEDULE, {"the optimiser": optimizer})
    )


def schedule_options(schedule: LRScheduler, monitor: str, every: int | None) -> dict[str, Any]:
    """Return when Lightning steps a schedule.

    Args:
        schedule: The schedule.
        monitor: Name of the value that plateau and newbob follow.
        every: Epochs from one validation to the next; None for several within an epoch.
    """
    if isinstance(schedule, ReduceLROnPlateau):
        found = {"interval": "epoch", "monitor": monitor, "frequency": every or 1}
        return {"scheduler": schedule, **found}
    by_default = "step" if isinstance(schedule, _PER_STEP) else "epoch"
    return {"scheduler": schedule, "interval": getattr(schedule, "interval", by_default)}


def follows_validation(config: OptimizerConfig) -> bool:
    """Return whether the learning rates follow a validation value, as those of plateau and newbob do."""
    kind = _schedule(config)[1]
    return isinstance(kind, type) and issubclass(kind, ReduceLROnPlateau)


def depends_on_length(schedule: Any, warmup: float) -> bool:
    """Return whether the learning rates depend on the length of the training.

    Args:
        schedule: Value of the option; a schedule of the user's own is assumed to depend on it.
        warmup: Value of the option.
    """
    try:
        spec = ClassSpec.of(schedule, _SCHEDULE, SCHEDULES)
    except SerclError:
        return True
    kind = SCHEDULES.get(spec.name)
    if spec.name == "constant" or kind is None:
        return bool(warmup) or kind is None
    return spec.name == "cosine" or "total_steps" in _filled(kind, spec)
