"""Callbacks that make a resumed run end where an uninterrupted one would."""

import random
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from sercl.tasks.gathering import gathered


class LastEpoch(ModelCheckpoint):
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
