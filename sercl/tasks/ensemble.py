"""The models of all folds as one classifier: the mean of their probabilities."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from sercl.batch import AudioBatch
from sercl.errors import CheckpointError
from sercl.tasks.classification import EmotionClassifier

_BEST = ("target/best.ckpt", "best.ckpt")
"""Checkpoint of a run: that of the last of two stages, else the only one."""


def checkpoints_of(path: Path) -> list[Path]:
    """Return the checkpoint itself, or those of all folds in the folder of `--data.folds.index all`.

    Raises:
        CheckpointError: For a folder of anything else, or with folds that are not trained.
    """
    if not path.is_dir():
        return [path]
    folds = sorted({*path.glob("fold-*"), *path.glob("seed-*/fold-*")})
    if not folds:
        raise CheckpointError(f"{path}: is a folder. Give a checkpoint file, such as {path}/best.ckpt.")
    if not (path / "results.json").is_file():
        raise CheckpointError(
            f"{path}: not all of its folds are trained. Train the others with --resume, or give the "
            f"checkpoint of one fold, such as {folds[0]}/best.ckpt."
        )
    return [
        next((fold / name for name in _BEST if (fold / name).is_file()), fold / _BEST[1]) for fold in folds
    ]


class Ensemble:
    """One or several classifiers whose probabilities are averaged.

    A frozen encoder that all of them share runs once per batch.

    Args:
        tasks: The classifiers.
        paths: Their checkpoints, for messages.

    Raises:
        CheckpointError: If their classes or their preprocessing differ.
    """

    def __init__(self, tasks: Sequence[EmotionClassifier], paths: Sequence[Path]) -> None:
        for task, path in zip(tasks[1:], paths[1:], strict=True):
            _check_same(tasks[0], task, paths[0], path)
        self.tasks = list(tasks)
        self._shares = len(tasks) > 1 and all(_shares(tasks[0], task) for task in tasks)
        for task in tasks[1:] if self._shares else ():
            task.encoder = tasks[0].encoder

    def __call__(self, batch: AudioBatch) -> Tensor:
        """Return class probabilities `[batch, classes]`, the mean over the classifiers."""
        if not self._shares:
            return torch.stack([task(batch).float() for task in self.tasks]).mean(dim=0)
        states = self.tasks[0].pool(batch)
        own = [task.readout.choose(task.readout(states)).softmax(dim=-1) for task in self.tasks]
        return torch.stack(own).float().mean(dim=0)


def _check_same(first: EmotionClassifier, other: EmotionClassifier, path: Path, other_path: Path) -> None:
    for what, one, two in (
        ("classes", first.classes, other.classes),
        ("preprocessing", first.as_trained.in_words, other.as_trained.in_words),
    ):
        if one != two:
            raise CheckpointError(
                f"{other_path}: its {what} ({two}) differ from those of {path} ({one}), so that their "
                "probabilities cannot be averaged."
            )


def _shares(first: EmotionClassifier, other: EmotionClassifier) -> bool:
    """Return whether two classifiers read the same hidden states of the same frozen encoder."""
    return (
        first.encoder_is_frozen
        and other.encoder_is_frozen
        and first.adapter == other.adapter == "none"
        and first.encoder.fingerprint == other.encoder.fingerprint
        and first.stored_pooling == other.stored_pooling is not None
        and list(first.readout.states) == list(other.readout.states)
    )
