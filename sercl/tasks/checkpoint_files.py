"""Atomic writing of checkpoints, also on another disk."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from sercl.errors import OutputError
from sercl.files import atomic_path, gone


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
