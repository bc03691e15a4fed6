"""The models of all folds as one classifier: the mean of their probabilities."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar, cast

import torch
from torch import Tensor, nn

from sercl.batch import AudioBatch, FeatureBatch
from sercl.errors import CheckpointError
from sercl.tasks.checkpoint_paths import checkpoints_of
from sercl.tasks.models import UtteranceModel

Model = TypeVar("Model", bound=UtteranceModel)


class Ensemble(nn.Module, Generic[Model]):
    """Several classifiers whose probabilities are averaged.

    A frozen encoder that all of them share runs once per batch.

    Args:
        tasks: The classifiers.
        paths: Their checkpoints.

    Raises:
        CheckpointError: If their classes or their preprocessing differ.

    Attributes:
        tasks: The classifiers.
        names: Their checkpoints, relative to the folder that holds all of them.
        classes: Class names, in class order.
        kind: Class of the classifiers.
    """

    kind: ClassVar[type[UtteranceModel]] = UtteranceModel

    def __init__(self, tasks: Sequence[Model], paths: Sequence[Path]) -> None:
        super().__init__()
        for task, path in zip(tasks[1:], paths[1:], strict=True):
            _check_same(tasks[0], task, paths[0], path)
        self._shares = all(_shares(tasks[0], task) for task in tasks[1:])
        for task in tasks[1:] if self._shares else ():
            task.encoder = tasks[0].encoder
        self.tasks, self._modules_in_use = list(tasks), nn.ModuleList(tasks)
        whole = Path(os.path.commonpath([path.parent for path in paths]))
        self.names = tuple(str(path.relative_to(whole)) for path in paths)
        self.classes = tasks[0].classes

    @classmethod
    def restore(cls, path: Path, encoder: str | None = None) -> Model | Self:
        """Build the classifier of a checkpoint or of a run's folder; only that of all folds is an ensemble.

        Args:
            path: The checkpoint or folder.
            encoder: Folder of its encoder, if that has moved since training; its weights must be the same.

        Raises:
            CheckpointError: As `checkpoints_of` and `EncoderModel.restore`, which has further errors.
        """
        paths = checkpoints_of(path)
        tasks = [cast(type[Model], cls.kind).restore(each, encoder) for each in paths]
        return cls(tasks, paths) if len(tasks) > 1 else tasks[0]

    def forward(self, batch: AudioBatch | FeatureBatch) -> Tensor:
        """Return class probabilities `[batch, classes]`, the mean over the classifiers."""
        if not self._shares:
            return torch.stack([task(batch).float() for task in self.tasks]).mean(dim=0)
        states = batch.features if isinstance(batch, FeatureBatch) else self.first.pool(batch)
        logits = [task.readout.choose(task.readout(states, batch.corpora)) for task in self.tasks]
        own = [each.softmax(dim=-1) for each in logits]
        return torch.stack(own).float().mean(dim=0)

    def keep_for_prediction(self) -> None:
        """Drop what predictions do not need, as of a single classifier."""
        if self._shares and len(set(map(type, self.tasks))) > 1:
            return  # each may read other hidden states
        chosen = [task.readout.chosen_state for task in self.tasks]
        for task in self.tasks:
            task.keep_for_prediction(chosen if self._shares else ())

    @property
    def first(self) -> Model:
        """The first of the classifiers; all have its classes and its preprocessing."""
        return self.tasks[0]

    @property
    def can_use_features(self) -> bool:
        """Whether hidden states computed once per utterance serve all classifiers."""
        return self._shares and self.first.can_use_features

    @property
    def corpora(self) -> list[str]:
        """Names of the training and validation corpora of all classifiers, sorted."""
        return sorted({name for task in self.tasks for name in task.corpora})

    @property
    def seen_speakers(self) -> dict[str, list[str]]:
        """Part ("train", "validation") -> "corpus speaker" of each that any classifier has seen in it."""
        parts = self.first.seen_speakers
        return {
            part: sorted({name for task in self.tasks for name in task.seen_speakers[part]}) for part in parts
        }

    @property
    def recordings(self) -> dict[str, set[int]] | None:
        """Part -> fingerprints of the recordings that any has seen in it; None if unknown of one of them."""
        known = [task.recordings for task in self.tasks if task.recordings is not None]
        if len(known) < len(self.tasks):
            return None
        return {part: set().union(*(own[part] for own in known)) for part in known[0]}


def _check_same(first: UtteranceModel, other: UtteranceModel, path: Path, other_path: Path) -> None:
    for what, one, two in (
        ("classes", first.classes, other.classes),
        ("preprocessing", first.as_trained.in_words, other.as_trained.in_words),
    ):
        if one != two:
            raise CheckpointError(
                f"{other_path}: its {what} ({two}) differ from those of {path} ({one}), so that their "
                "probabilities cannot be averaged."
            )


def _shares(first: UtteranceModel, other: UtteranceModel) -> bool:
    """Return whether two classifiers read the same hidden states of the same frozen encoder."""
    return (
        first.encoder_is_frozen
        and other.encoder_is_frozen
        and first.adapter == other.adapter == "none"
        and first.encoder.fingerprint == other.encoder.fingerprint
        and first.stored_pooling == other.stored_pooling is not None
        and list(first.readout.states) == list(other.readout.states)
    )
