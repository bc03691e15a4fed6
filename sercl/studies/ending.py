"""What ended a stage of training, by name."""

from typing import Any

import lightning.pytorch as L
from lightning.pytorch.callbacks import EarlyStopping, Timer
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

from sercl.studies.stages import EARLY_STOPPING, EPOCH_LIMIT, STEP_LIMIT, TIME_LIMIT

_REASONS = {
    EarlyStoppingReason.PATIENCE_EXHAUSTED: EARLY_STOPPING,
    EarlyStoppingReason.STOPPING_THRESHOLD: "stopping threshold",
    EarlyStoppingReason.DIVERGENCE_THRESHOLD: "divergence threshold",
    EarlyStoppingReason.NON_FINITE_METRIC: "value that is not finite",
}


def early_end(trainer: L.Trainer) -> str | None:
    """Return why early stopping has ended a training; None where it has not."""
    stoppers = (each for each in trainer.callbacks if isinstance(each, EarlyStopping))  # type: ignore[attr-defined]
    return next(
        (_REASONS[each.stopping_reason] for each in stoppers if each.stopping_reason in _REASONS), None
    )


def ended_by(trainer: L.Trainer) -> str:
    """Return what ended a training, one of `sercl.studies.stages.ENDS`.

    Where a limit and early stopping coincide, it is early stopping: more epochs would not have been trained.
    """
    if (reason := early_end(trainer)) is not None:
        return reason
    if 0 <= trainer.max_steps <= trainer.global_step:
        return STEP_LIMIT
    if trainer.max_epochs is not None and 0 <= trainer.max_epochs <= epochs_of(trainer):
        return EPOCH_LIMIT
    timers = (each for each in trainer.callbacks if isinstance(each, Timer))  # type: ignore[attr-defined]
    if any((each.time_remaining() or 0) <= 0 for each in timers):
        return TIME_LIMIT
    return "callback"


def epochs_of(trainer: L.Trainer) -> int:
    """Return the epochs that a training has run, those before a resume included.

    Lightning's own count lacks the last one where a resumed training has nothing left to do.
    """
    progress: Any = trainer.fit_loop.epoch_progress.current
    return int(progress.processed)
