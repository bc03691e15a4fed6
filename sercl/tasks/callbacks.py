"""Callbacks: what ends training, which epoch is kept, how checkpoints reach the disk, what resuming needs."""

import os
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint, Timer
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason
from lightning.pytorch.loops.evaluation_loop import RestartStage
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.model_helpers import is_overridden

from sercl.errors import OutputError
from sercl.files import atomic_path, gone
from sercl.stopping import Postponed
from sercl.tasks.gathering import gathered

LAST = "last.ckpt"
"""Checkpoint of a training's newest epoch, or step, from which it is resumed."""


class OncePerValidation(L.Callback):
    """Make a callback that monitors a validation score act once per validation.

    Lightning keeps the scores of the last validation: at the end of an epoch without validation it would use
    them for that epoch, or miss them before the first.
    """

    validated = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Record a validation, unless it is the sanity check."""
        self.validated = not trainer.sanity_checking
        super().on_validation_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Act if there was a validation since the last call, or on a value that training logs."""
        if self.validated or not str(getattr(self, "monitor", "")).startswith("val/"):
            super().on_train_epoch_end(trainer, pl_module)
        self.validated = False


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
            dirpath=folder,
            filename=Path(LAST).stem,
            enable_version_counter=False,
            save_on_train_epoch_end=True,
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


class WithinEpoch(Checkpoint):
    """Stop a training between two batches when it is asked to, and continue it there.

    All processes stop after the same batch, and the weights are saved as after an epoch. It comes last, so
    that everything else is done with a batch.

    Args:
        path: The checkpoint to save.

    Attributes:
        postponed: Signals that ask to stop; whoever runs the trainer has them wait.
    """

    def __init__(self, path: Path) -> None:
        self._path, self.postponed = path, Postponed()
        self._state: dict[str, Any] = {}
        self._pending: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return what Lightning does not save within an epoch; nothing after a whole one."""
        return self._state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep what was saved until training starts."""
        self._pending = dict(state_dict)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Go on with the batch, or the validation, before which the training was stopped."""
        if not self._pending:
            return
        loop: Any = trainer.fit_loop
        [loader] = loop._data_fetcher.combined_loader.flattened
        loader.batch_sampler.skip(loop.epoch_loop.batch_progress.current.processed)
        iter(loop._data_fetcher)
        metrics = {name: torch.tensor(value) for name, value in self._pending["metrics"].items()}
        trainer._logger_connector._callback_metrics.update(metrics)
        for each in _per_validation(trainer):
            each.validated = self._pending["validated"]
        if self._pending["in_validation"]:
            validation = loop.epoch_loop.val_loop
            validation._restart_stage = RestartStage.RESTARTED_MID_EVALUATION
            validation.batch_progress.current.reset()
            if loop.epoch_loop._num_ready_batches_reached():
                self._log_means(trainer, pl_module)

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        """Stop, unless the epoch's end or a validation follows, or gradients are being accumulated."""
        self._add_means(trainer)
        loop, fetcher = trainer.fit_loop.epoch_loop, cast(Any, trainer.fit_loop._data_fetcher)
        is_end = loop._num_ready_batches_reached() or loop._should_check_val_fx(fetcher)
        if not is_end and not loop._should_accumulate():
            self._stop_if_asked(trainer, within=True)

    def on_validation_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        """Stop; the validation is done again as a whole."""
        if not trainer.sanity_checking:
            self._stop_if_asked(trainer, within=True)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop; the epoch was saved just before."""
        self._stop_if_asked(trainer, within=False)

    def _stop_if_asked(self, trainer: L.Trainer, within: bool) -> None:
        asked = torch.tensor(self.postponed.asked, device=trainer.strategy.root_device)
        number = int(trainer.strategy.reduce(asked, reduce_op="max"))
        if not number or (within and _acts_on_epoch_start(trainer)):
            return
        if within:
            self._state = self._state_of(trainer)
            trainer.save_checkpoint(self._path)
        self.postponed.act(number)

    def _state_of(self, trainer: L.Trainer) -> dict[str, Any]:
        return {
            "in_validation": trainer.validating,
            "validated": any(each.validated for each in _per_validation(trainer)),
            "metrics": {name: float(value) for name, value in trainer.callback_metrics.items()},
            "means": gathered([_means(trainer)]),
        }

    def _own_means(self, trainer: L.Trainer) -> dict[str, tuple[float, int]]:
        """Take out the means of what this process has logged in the epoch before it was stopped."""
        every = self._pending.pop("means", [])
        own = every[trainer.global_rank] if len(every) == trainer.world_size else {}
        # One without values is left of an epoch before, whose validation the session began with.
        return {name: (total, weight) for name, (total, weight) in own.items() if weight}

    def _add_means(self, trainer: L.Trainer) -> None:
        for name, (total, weight) in self._own_means(trainer).items():
            metric: Any = trainer.fit_loop.epoch_loop._results[name]
            metric.value, metric.cumulated_batch_size = (
                metric.value + total,
                metric.cumulated_batch_size + weight,
            )

    def _log_means(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for name, (total, weight) in self._own_means(trainer).items():
            value, own = total / weight, name.partition(".")[2]
            pl_module.log(own, value, on_step=False, on_epoch=True, batch_size=weight, sync_dist=True)


def _per_validation(trainer: L.Trainer) -> list[OncePerValidation]:
    return [each for each in trainer.callbacks if isinstance(each, OncePerValidation)]  # type: ignore[attr-defined]


def _means(trainer: L.Trainer) -> dict[str, tuple[float, int]]:
    """Return the sum and the number of values of each mean that is logged over the epoch."""
    return {
        name: (float(metric.value), int(metric.cumulated_batch_size))
        for name, metric in trainer.fit_loop.epoch_loop._results.items()
        if metric.is_tensor and metric.meta.on_epoch and metric.meta.is_mean_reduction
    }


def _acts_on_epoch_start(trainer: L.Trainer) -> bool:
    """Whether a part of Lightning or of the user works at the start of epochs, which is not repeated."""
    parts = [*trainer.callbacks, trainer.lightning_module]  # type: ignore[attr-defined]
    return any(
        is_overridden("on_train_epoch_start", each, parent)
        for parent in (L.Callback, L.LightningModule)
        for each in parts
        if isinstance(each, parent) and not isinstance(each, Patience)
    )


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
