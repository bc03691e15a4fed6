"""How checkpoints come to the disk: whole or not at all, also on a disk of their own."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from sercl.errors import OutputError
from sercl.files import atomic_path, gone


class CheckpointFiles(TorchCheckpointIO):
    """Write a checkpoint beside its place and move it there once it is on the disk.

    Lightning writes to the folder for temporary files and moves from there, which between two file systems
    is a copy: a kill during it leaves half a checkpoint in place of the last whole one.

    Args:
        folder: Folder of the run, which is not made again if it has gone meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; the one before stays until the new one is whole.

        Raises:
            OutputError: Where it cannot be written, or the folder of the run has gone.
        """
        if not self._folder.is_dir():
            raise gone(self._folder)
        try:
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                torch.save(checkpoint, file)
        except OutputError as error:
            raise OutputError(f"{error} Training continues from the last checkpoint (--resume).") from error
