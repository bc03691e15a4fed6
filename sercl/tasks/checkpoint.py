"""What a checkpoint says about itself, and why one is refused."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import sercl
from sercl.errors import CheckpointError
from sercl.models.encoders import Encoder

FORMAT = 2
"""Raised when a checkpoint of an older sercl could no longer be read as it was meant."""

USES = {"classification": "`sercl predict`", "diarization": "`sercl diarize`"}
"""Task -> what asks its checkpoints."""


def describe(encoder: Encoder, description: dict[str, Any], full: bool) -> dict[str, Any]:
    """Return the part of a checkpoint under the key "sercl", as plain data."""
    return {
        "format": FORMAT,
        "version": sercl.__version__,
        "full": full,
        "encoder": {
            "name": encoder.name,
            "family": encoder.family,
            "fingerprint": encoder.fingerprint,
            "preprocessing": encoder.preprocessing,
        },
        **description,
    }


def read(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint file as tensors and plain data alone.

    Raises:
        CheckpointError: For a file that is not there, not a checkpoint, or not one of sercl.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise CheckpointError(f"{path}: {what}. Give a checkpoint file, such as RUN/best.ckpt.")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises a dozen types for a file that is none of its own; every one means the same to the user.
        reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"{path}: not a checkpoint that loads safely ({reason}). It may be truncated or not from sercl."
        ) from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("sercl"), dict):
        raise CheckpointError(f"{path}: a checkpoint, but not one of sercl (it has no 'sercl' entry).")
    check_format(checkpoint["sercl"], str(path))
    for key in ("state_dict", "hyper_parameters"):
        if not isinstance(checkpoint.get(key), dict):
            raise CheckpointError(
                f"{path}: has no {key!r}, without which no model can be built. Train again."
            )
    return checkpoint


def read_for(task: str, build: Callable[..., object], path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of one task, whose hyper-parameters are arguments of `build`.

    Raises:
        CheckpointError: As `read`; also for another task, or hyper-parameters of another version of sercl.
    """
    checkpoint = read(path)
    about = checkpoint["sercl"]
    check_task(about, task, path)
    unknown = sorted(checkpoint["hyper_parameters"].keys() - inspect.signature(build).parameters.keys())
    if unknown:
        raise CheckpointError(
            f"{path}: written by sercl {about.get('version')}, with options that this sercl "
            f"{sercl.__version__} does not have: {', '.join(unknown)}. Use that version, or train again."
        )
    return checkpoint


def check_format(about: dict[str, Any], where: str = "checkpoint") -> None:
    """Raise `CheckpointError` unless this sercl reads the checkpoint's format."""
    if about.get("format") == FORMAT:
        return
    raise CheckpointError(
        f"{where}: format {about.get('format')} of sercl {about.get('version')}; this sercl "
        f"{sercl.__version__} reads format {FORMAT}. Use sercl {about.get('version')}, or train again."
    )


def check_task(about: dict[str, Any], wanted: str, where: str | Path) -> None:
    """Raise `CheckpointError` unless a checkpoint is of the task `wanted`; the message names its command."""
    task = about.get("task")
    if task != wanted:
        use = f" Ask it with {USES[task]}." if task in USES else ""
        raise CheckpointError(f"{where}: holds a model for {task}, not for {wanted}.{use}")


def verify(checkpoint: dict[str, Any], encoder: Encoder, description: dict[str, Any]) -> None:
    """Raise `CheckpointError` unless a checkpoint belongs to this task, these classes and this encoder."""
    about = checkpoint.get("sercl")
    if about is None:
        raise CheckpointError("this checkpoint was not written by sercl (it has no 'sercl' entry).")
    check_format(about)
    for key in ("task", "classes"):
        if about[key] != description[key]:
            raise CheckpointError(
                f"the checkpoint's {key} is {about[key]!r}, the model's is {description[key]!r}."
            )
    saved = about["encoder"]
    if not about["full"] and saved["fingerprint"] != encoder.fingerprint:
        raise CheckpointError(
            f"the checkpoint was trained on encoder {saved['name']!r} with fingerprint "
            f"{saved['fingerprint'][:12]}, but {encoder.name!r} has {encoder.fingerprint[:12]}: its weights "
            "differ, and predictions would be wrong. Give the encoder it was trained on."
        )


def verify_state(missing: Sequence[str], unexpected: Sequence[str]) -> None:
    """Raise `CheckpointError` for weights that are absent or left over."""
    for what, keys in (("lacks", missing), ("holds unknown", unexpected)):
        if keys:
            raise CheckpointError(
                f"the checkpoint {what} weights: {', '.join(keys[:3])} ({len(keys)} in all)."
            )


def verify_shapes(stored: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Raise `CheckpointError` for weights of another shape than the model's."""
    wrong = [name for name, value in stored.items() if name in own and value.shape != own[name].shape]
    if wrong:
        was, now = list(stored[wrong[0]].shape), list(own[wrong[0]].shape)
        raise CheckpointError(
            f"the checkpoint's {wrong[0]} has the shape {was}, the model's {now} ({len(wrong)} such in all): "
            "the model was built with other options."
        )
