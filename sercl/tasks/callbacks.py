"""Callbacks: what ends training, which epoch is kept, how checkpoints reach the disk, what resuming needs."""

import os
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, Timer
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities import rank_zero_only

from sercl.errors import OutputError
from sercl.files import atomic_path, gone
from sercl.tasks.gathering import gathered


class OncePerValidation(L.Callback):
    """Make a callback that monitors a validation score act once per validation.

    Lightning keeps the scores of the last validation: at the end of an epoch without validation it would use
    them for that epoch, or miss them before the first.
    """

    _validated = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Record a validation, unless it is the sanity check."""
        self._validated = not trainer.sanity_checking
        super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Act if there was a validation since the last call, or on a value that training logs."""
        if self._validated or not str(getattr(self, "monitor", "")).startswith("val/"):
            super().on_train_epoch_end(trainer, pl_module)
        self._validated = False


class Patience(OncePerValidation, EarlyStopping):
    """Early stopping whose patience counts validations."""

    @property
    def state_key(self) -> str:
        """Lightning's key for its state in a checkpoint."""
        return super().state_key.replace(type(self).__qualname__, EarlyStopping.__qualname__, 1)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Drop a request to stop that a minimum number of epochs or steps has overruled."""
        if self.stopping_reason != EarlyStoppingReason.NOT_STOPPED:
            self.stopping_reason, self.stopped_epoch = EarlyStoppingReason.NOT_STOPPED, 0
            trainer.should_stop = False


class Movable(ModelCheckpoint):
    """Find the saved epochs again after their folder has been moved or copied.

    Lightning loses the best score then, and may continue with the checkpoint in the old folder.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of a checkpoint, with file paths in the current folder."""
        here = dict(state_dict)
        for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
            here[key] = self._moved(state_dict[key], state_dict["dirpath"])
        kept = state_dict["best_k_models"].items()
        here["best_k_models"] = {self._moved(path, state_dict["dirpath"]): score for path, score in kept}
        super().load_state_dict(here | {"dirpath": self.dirpath})

    def _moved(self, path: str, folder: str) -> str:
        return str(Path(str(self.dirpath), os.path.relpath(path, folder))) if path else path


class BestEpoch(OncePerValidation, Movable):
    """Save the best epochs by the scores of their own validation."""

    @property
    def state_key(self) -> str:
        """Lightning's key for its state in a checkpoint."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)


class LastValidation(L.Callback):
    """Validate a training that its step limit ends within an epoch, as at any other end."""

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        """Request the end at the last step; Lightning validates before it."""
        if 0 <= trainer.max_steps <= trainer.global_step:
            trainer.should_stop = True


class LastEpoch(Movable):
    """Save the newest epoch as `last.ckpt`, from which a run is resumed.

    Lightning's `save_last` writes only when an epoch is the best so far, so a resume would repeat the
    others. It must come after the callback that saves the best epoch, to store its path.

    Args:
        folder: Folder of the checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(
            dirpath=folder, filename="last", enable_version_counter=False, save_on_train_epoch_end=True
        )

    @property
    def state_key(self) -> str:
        """Its own key for its state in a checkpoint."""
        return type(self).__qualname__


class RandomState(L.Callback):
    """Store the state of every random generator in checkpoints, and restore it on resume.

    Lightning stores none of them; without it, dropout after a resume differs from the uninterrupted run.
    Each of several processes has its own states, since their batches have different shapes.
    """

    def __init__(self) -> None:
        self._pending: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the generators' states as plain data and tensors; all processes must call it."""
        first, *others = gathered([_states()])
        return {**first, "others": others}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the states; they are restored when training starts, after all random draws at set-up."""
        self._pending = state_dict

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Restore the generators to the state in the checkpoint."""
        if self._pending is not None:
            others = self._pending.get("others", [])
            # With a different number of processes, batches differ from before anyway.
            rank = trainer.global_rank if others and trainer.world_size == 1 + len(others) else 0
            _set([self._pending, *others][rank])
            self._pending = None

    @classmethod
    def take_from(cls, checkpoint: Mapping[str, Any]) -> None:
        """Set the generators as they were at the end of a training, whose last checkpoint is given.

        A stage that follows on a finished one then draws as if both had run in one session.
        """
        states = checkpoint.get("callbacks", {}).get(cls.__qualname__)
        if states is not None:
            every, rank = [states, *states.get("others", [])], int(getattr(rank_zero_only, "rank", 0) or 0)
            _set(every[rank if rank < len(every) else 0])


class StaysStopped(L.Callback):
    """End a training again that early stopping has ended, if the run was killed before recording that.

    Lightning restores the counters of early stopping, but not that it has stopped: it would train another
    epoch.
    """

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop before the first batch."""
        stoppers = (each for each in trainer.callbacks if isinstance(each, EarlyStopping))  # type: ignore[attr-defined]
        if any(each.stopping_reason != EarlyStoppingReason.NOT_STOPPED for each in stoppers):
            trainer.should_stop = True


class AfterWholeEpoch(L.Callback):
    """Make a training that continues from the end of an epoch start the next one, in its order.

    Lightning would first look for batches of that epoch after a step or time limit, and take them from the
    start of another; with a step limit it does so after whole epochs, too.
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
    """Count the time of a training over all its sessions, up to each last checkpoint.

    A time limit counts the same, even if earlier sessions had none.
    """

    def __init__(self) -> None:
        self._before, self._begin = 0.0, time.perf_counter()
        self._limit: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds of this session, and of earlier ones up to the checkpoint that it continued from."""
        return self._before + time.perf_counter() - self._begin

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Begin to count."""
        self._begin = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """Return the time so far and its limit, in s."""
        return {"seconds": self.seconds, "limit": self._limit}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the time of earlier sessions."""
        self._before = float(state_dict["seconds"])

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Make a time limit that has not counted earlier sessions count them."""
        for timer in (each for each in trainer.callbacks if isinstance(each, Timer)):  # type: ignore[attr-defined]
            timer._offset = timer._offset or self._before  # type: ignore[assignment]
            self._limit = timer._duration


def seconds_of(trainer: L.Trainer) -> float:
    """Return the time of a training over all its sessions, in s."""
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


class CheckpointFiles(TorchCheckpointIO):
    """Write a checkpoint to a temporary file beside its target and rename it once it is on disk.

    Lightning writes to the folder for temporary files and moves from there, which is a copy between two file
    systems: a kill during it leaves half a checkpoint instead of the last complete one.

    Args:
        folder: Folder of the run, which is not created again if it was removed meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; the previous one remains until the new one is complete.

        Raises:
            OutputError: If it cannot be written, or the folder of the run is missing.
        """
        if not self._folder.is_dir():
            raise gone(self._folder)
        try:
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                torch.save(checkpoint, file)
        except OutputError as error:
            raise OutputError(f"{error} Training continues from the last checkpoint (--resume).") from error
