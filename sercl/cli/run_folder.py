"""Where a run goes: a folder named after what it is, never one that already holds another run."""

import re
import shutil
from pathlib import Path
from typing import Any

from sercl.errors import OutputError, UsageError

HOME = Path("checkpoints")
"""Runs without `--out` go below this folder of the working directory."""

_MARKS = ("config.yaml", "results.json", "last.ckpt")


def default_folder(config: Any) -> Path:
    """Return the folder of a run that was given no `--out`: data, encoder, adapter, fold and seed."""
    model = config["model"]
    parts = [
        *_data_parts(config["data"]),
        Path(model["encoder"]).name,
        "frozen" if model["adapter"] == "none" else model["adapter"],
        f"seed{config['seed_everything']}",
    ]
    return _below_home(parts)


def probe_folder(config: Any) -> Path:
    """Return the folder of a layer probe that was given no `--out`: data and encoder."""
    # A probe runs over all folds, so the number of one says nothing.
    data = [re.sub(r"(?<=[a-z])\d+$", "", part) for part in _data_parts(config["data"])]
    return _below_home(["probe", *data, Path(config["model"]["encoder"]).name])


def claim(folder: Path, resume: bool, overwrite: bool) -> Path:
    """Make the run's folder ready and return it.

    Raises:
        UsageError: Where it holds a run and neither `resume` nor `overwrite` is set, both are, or there is
            nothing to resume.
        OutputError: Where it cannot be written.
    """
    if resume and overwrite:
        raise UsageError("--resume and --overwrite exclude each other: continue the run, or replace it.")
    held = [name for name in _MARKS if (folder / name).exists()] or _other_content(folder)
    if resume and not (folder / "config.yaml").exists():
        raise UsageError(f"{folder}: holds no run to resume (no config.yaml). Leave --resume out.")
    if held and not (resume or overwrite):
        raise UsageError(
            f"{folder}: already holds {', '.join(held)}. Continue it with --resume, replace it with "
            "--overwrite, or choose another --out."
        )
    make_folder(folder, fresh=overwrite and any((folder / name).exists() for name in _MARKS))
    return folder


def make_folder(folder: Path, fresh: bool = False) -> None:
    """Make a folder and see that it can be written: hours of work should not end at one that cannot.

    Args:
        folder: The folder.
        fresh: Whether what is in it is removed first.

    Raises:
        OutputError: Where it cannot be made or written.
    """
    try:
        if fresh:
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}). Choose another --out.") from error


def _other_content(folder: Path) -> list[str]:
    """Files that are not a run's: `--overwrite` leaves them alone, so they must not be mistaken for one."""
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir())[:3]


def _below_home(parts: list[str]) -> Path:
    return HOME / "-".join(re.sub(r"[^\w.+-]", "_", part) for part in parts)


def _data_parts(data: Any) -> list[str]:
    name = data["class_path"].rpartition(".")[2]
    arguments = data["init_args"]
    if "corpora" in arguments:
        return ["diarize", *(part for corpus in arguments["corpora"] for part in _data_parts(corpus))]
    if "source" in arguments:
        inner = [_data_parts(arguments[side]) for side in ("source", "target")]
        return [inner[0][0], *inner[1], str(arguments["setting"])]
    folds = arguments["folds"]
    return [name, f"{folds['scheme']}{folds['index']}"]
