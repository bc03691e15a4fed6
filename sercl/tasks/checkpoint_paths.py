"""The checkpoint files in the folder of a run; this module imports no torch."""

from pathlib import Path

from sercl.errors import CheckpointError

FINAL = "final"
"""Folder of a run of all folds with the model that is trained on everything."""

_RESULTS = "results.json"
_BEST = ("target/best.ckpt", "best.ckpt")
"""Checkpoint of a run: that of the last of two stages, else the only one."""


def checkpoints_of(path: Path) -> list[Path]:
    """Return the checkpoint itself, that of a run's folder, or those of all its folds.

    Raises:
        CheckpointError: If it does not exist, or for a folder without a checkpoint, or whose training has not
            ended.
    """
    if not path.exists():
        raise CheckpointError(f"{path}: does not exist. Give a checkpoint file, such as RUN/best.ckpt.")
    if not path.is_dir():
        return [path]
    folds = fold_folders(path)
    found = [checkpoint_in(folder) for folder in folds or [path]]
    if not folds and not found[0].is_file():
        raise CheckpointError(f"{path}: is a folder without a checkpoint. Give a file, such as {found[0]}.")
    if not (path / _RESULTS).is_file():
        what = "not all of its folds are trained" if folds else "its training has not ended"
        raise CheckpointError(
            f"{path}: {what}. Continue with --resume, or give one checkpoint, such as {found[0]}."
        )
    return found


def checkpoint_of(path: Path) -> Path:
    """Return the checkpoint itself, or that of a run's folder.

    Raises:
        CheckpointError: As `checkpoints_of`, and for a run of all folds.
    """
    first, *others = checkpoints_of(path)
    if others:
        final = f", or {path / FINAL}" if final_of(path) is not None else ""
        raise CheckpointError(
            f"{path}: holds the models of {len(others) + 1} folds. Give one of them, such as {first}{final}."
        )
    return first


def checkpoint_in(folder: Path) -> Path:
    """Return the checkpoint of a single training."""
    return next((folder / name for name in _BEST if (folder / name).is_file()), folder / _BEST[-1])


def fold_folders(folder: Path) -> list[Path]:
    """Return the folders of the trainings of `--data.folds.index all`; none for any other folder."""
    return sorted({*folder.glob("fold-*"), *folder.glob("seed-*/fold-*")})


def final_of(folder: Path) -> Path | None:
    """Return the folder of the model trained on everything, in that of a run of all folds; None without."""
    return folder / FINAL if (folder / FINAL / _RESULTS).is_file() else None
