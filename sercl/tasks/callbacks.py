"""Callbacks: what ends training, which epoch is kept, and what lets a resumed run end like one in one go."""

import os
import random
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, Timer
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

from sercl.tasks.gathering import gathered


class OncePerValidation(L.Callback):
    """Let a callback that monitors a validation score act once per validation.

    Lightning keeps the scores of the last validation: at the end of an epoch without one it would take them
    for those of the epoch, or miss them before the first.
    """

    _validated = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note a validation, unless it is the one that only tries whether it works."""
        self._validated = not trainer.sanity_checking
        super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Act if there was a validation since the last time, or on what training itself logs."""
        if self._validated or not str(getattr(self, "monitor", "")).startswith("val/"):
            super().on_train_epoch_end(trainer, pl_module)
        self._validated = False


class Patience(OncePerValidation, EarlyStopping):
    """Early stopping, whose patience counts validations."""

    @property
    def state_key(self) -> str:
        """Lightning's name among the states in a checkpoint."""
        return super().state_key.replace(type(self).__qualname__, EarlyStopping.__qualname__, 1)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Forget a wish to stop that a least number of epochs or steps has overruled."""
        if self.stopping_reason != EarlyStoppingReason.NOT_STOPPED:
            self.stopping_reason, self.stopped_epoch = EarlyStoppingReason.NOT_STOPPED, 0
            trainer.should_stop = False


class Movable(ModelCheckpoint):
    """Know the kept epochs again where their folder has been moved or copied.

    Lightning forgets the best score then, and may go on with the checkpoint in the old folder.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the state of a checkpoint, with its files where this folder is now."""
        here = dict(state_dict)
        for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
            here[key] = self._moved(state_dict[key], state_dict["dirpath"])
        kept = state_dict["best_k_models"].items()
        here["best_k_models"] = {self._moved(path, state_dict["dirpath"]): score for path, score in kept}
        super().load_state_dict(here | {"dirpath": self.dirpath})

    def _moved(self, path: str, folder: str) -> str:
        return str(Path(str(self.dirpath), os.path.relpath(path, folder))) if path else path


class BestEpoch(OncePerValidation, Movable):
    """Keep the best epochs by the scores of their own validation."""

    @property
    def state_key(self) -> str:
        """Lightning's name among the states in a checkpoint."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)


class LastValidation(L.Callback):
    """Let a training that its limit of steps ends within an epoch be validated there, as at any other end."""

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        """Ask for the end with the last step; Lightning validates before it."""
        if 0 <= trainer.max_steps <= trainer.global_step:
            trainer.should_stop = True


class LastEpoch(Movable):
    """Keep the newest epoch as `last.ckpt`, from which a run is resumed.

    Lightning's `save_last` writes only when an epoch is the best so far, so that a resume would repeat the
    others. It must come after the callback that keeps the best epoch, to store where that one is.

    Args:
        folder: Where the checkpoint goes.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(
            dirpath=folder, filename="last", enable_version_counter=False, save_on_train_epoch_end=True
        )

    @property
    def state_key(self) -> str:
        """A name of its own among the states in a checkpoint."""
        return type(self).__qualname__


class RandomState(L.Callback):
    """Store the state of every random generator in checkpoints, and set it again on resume.

    Lightning stores none of them; without it, dropout after a resume differs from the uninterrupted run. Of
    several processes each has states of its own: they draw for batches of different shapes.
    """

    def __init__(self) -> None:
        self._pending: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the generators' states as plain data and tensors; all processes must call it."""
        first, *others = gathered([_states()])
        return {**first, "others": others}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the states; they are set when training starts, after everything that draws at set-up."""
        self._pending = state_dict

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Set the generators to where the checkpoint left them."""
        if self._pending is not None:
            others = self._pending.get("others", [])
            # With another number of processes nothing is drawn for the same batches as before, anyway.
            rank = trainer.global_rank if others and trainer.world_size == 1 + len(others) else 0
            _set([self._pending, *others][rank])
            self._pending = None


class StaysStopped(L.Callback):
    """Let a training that early stopping has ended stay ended where the run was killed before it said so.

    Lightning restores why it stopped, but not that it did: it would train an epoch too many.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop before the first batch."""
        stoppers = (each for each in trainer.callbacks if isinstance(each, EarlyStopping))  # type: ignore[attr-defined]
        if any(each.stopping_reason != EarlyStoppingReason.NOT_STOPPED for each in stoppers):
            trainer.should_stop = True


class AfterWholeEpoch(L.Callback):
    """Let a training that goes on from the end of an epoch begin the next one, in its order.

    Lightning would first look for batches that a limit of steps or time has cut off that epoch, and take them
    from the beginning of another; with a limit of steps it does so after whole epochs, too.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count the epoch of the checkpoint as done."""
        loop = trainer.fit_loop
        progress: Any = loop.epoch_progress.current
        if not loop.is_resuming or progress.processed != progress.started:
            return
        progress.completed = progress.processed
        for each in (loop, loop.epoch_loop, loop.epoch_loop.val_loop):
            each._restarting = False
            each.reset_restart_stage()


class TrainingTime(L.Callback):
    """Count the time of a training over all its sittings, as far as its checkpoints reach.

    A limit of time counts the same, also where the sittings before had none.
    """

    def __init__(self) -> None:
        self._before, self._begin = 0.0, time.perf_counter()
        self._limit: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds of this sitting, and of those before it up to the checkpoint that it went on from."""
        return self._before + time.perf_counter() - self._begin

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Begin to count."""
        self._begin = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """Return the time until now and the most that was allowed, in s."""
        return {"seconds": self.seconds, "limit": self._limit}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the time of the sittings before."""
        self._before = float(state_dict["seconds"])

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Let a limit of time that has not counted the sittings before count them."""
        for timer in (each for each in trainer.callbacks if isinstance(each, Timer)):  # type: ignore[attr-defined]
            timer._offset = timer._offset or self._before  # type: ignore[assignment]
            self._limit = timer._duration


def seconds_of(trainer: L.Trainer) -> float:
    """Return the time that a training has taken over all its sittings, in s."""
    clocks = (each for each in trainer.callbacks if isinstance(each, TrainingTime))  # type: ignore[attr-defined]
    return sum(clock.seconds for clock in clocks)


def _states() -> dict[str, Any]:
    _, keys, position, has_gauss, cached = np.random.get_state()
    version, internal, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [torch.from_numpy(np.asarray(keys).astype(np.int64)), position, has_gauss, cached],
        "python": [version, list(internal), gauss],
    }


def _set(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["torch"].cpu())
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, cached))
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
