"""What one work item does: train a batch of heads on stored hidden states, or one model with adapters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import torch

from sercl.data.datamodules.listed import Listed
from sercl.errors import CheckpointError
from sercl.features.config import FeatureConfig
from sercl.features.space import FeatureSpace
from sercl.features.store import FeatureStore
from sercl.features.stored import StoredFeatures
from sercl.imports import find_class
from sercl.studies.cross_eval.plan.trainings import Subset, Training, joined, seeded
from sercl.studies.cross_eval.run.results import CellResult, predictions_of, write_result
from sercl.studies.heads.adaptation import FrozenResult, FrozenRows, FrozenTraining
from sercl.studies.heads.config import ProbeConfig
from sercl.studies.heads.frozen import train_frozen
from sercl.studies.training.fit import extract_features, last_weights, load_weights, score, train
from sercl.studies.training.stages import HEAD, StageResult, finished
from sercl.studies.training.trainers import TrainerOptions, quieten
from sercl.tasks.callbacks import LAST
from sercl.tasks.classification import EmotionClassifier
from sercl.tasks.gathering import by_first
from sercl.tasks.models import RANDOM

Tests = Mapping[str, Subset]
"""Address of a test -> its utterances."""

UtteranceKey = tuple[str, str]
"""Name of a corpus and id of an utterance."""


@dataclass(frozen=True)
class FrozenBatch:
    """Trainings that use the same hidden states, with the tests of each.

    Attributes:
        folder: Folder of the study.
        store: Folder of the feature store.
        space: The feature space to read.
        classes: Class names.
        config: How heads are trained.
        layers: Hidden states that are tried; None for all.
        trainings: The trainings; each comes after the one that it starts from.
        tests: The tests of each.
        device: Device on which heads are trained.
    """

    folder: Path
    store: Path
    space: FeatureSpace
    classes: tuple[str, ...]
    config: ProbeConfig
    layers: tuple[int, ...] | None
    trainings: tuple[Training, ...]
    tests: tuple[Tests, ...]
    device: str = "cpu"


def run_frozen(batch: FrozenBatch) -> None:
    """Train, test, and save every result at once: a killed run loses only what is in progress.

    Raises:
        FeatureError: If hidden states are missing or not finite.
        OutputError: If results cannot be saved.
    """
    subsets = [
        subset for each in zip(batch.trainings, batch.tests, strict=True) for subset in _subsets(*each)
    ]
    rows = {
        row: index for index, row in enumerate(sorted({row for subset in subsets for row in subset.keys}))
    }
    keys = {
        row: key for subset in subsets for row, key in zip(subset.keys, subset.split.audio_keys, strict=True)
    }
    features = StoredFeatures(
        FeatureStore(batch.store),
        batch.space,
        {str(index): keys[row] for row, index in rows.items()},
    )
    train_frozen(
        features.stack([str(index) for index in rows.values()]),
        _described(rows, subsets, batch.classes),
        _frozen_trainings(batch, rows),
        batch.config,
        layers=batch.layers,
        device=torch.device(batch.device),
        on_result=_Keeper(batch).keep,
    )


class _Keeper:
    """Writes the results of a batch, each with the epochs of all its stages."""

    def __init__(self, batch: FrozenBatch) -> None:
        self._batch, self._epochs = batch, dict[str, int]()

    def keep(self, position: int, result: FrozenResult) -> None:
        """Write every test of the training with a given index."""
        training = self._batch.trainings[position]
        self._epochs[training.address] = result.epochs
        record = CellResult(
            training=training.address,
            layer=result.layer,
            epochs=sum(self._epochs[step.address] for step in training.chain),
            early_stopped=result.early_stopped,
            seconds=result.seconds,
            trained=training.size,
            notes=result.notes,
            c=result.c,
        )
        for address, test in self._batch.tests[position].items():
            predictions = predictions_of(test, result.probabilities[address], self._batch.classes)
            write_result(self._batch.folder, address, predictions, record)


def _subsets(training: Training, tests: Tests) -> list[Subset]:
    return [*training.known, *tests.values()]


def _described(
    rows: Mapping[UtteranceKey, int], subsets: Sequence[Subset], classes: Sequence[str]
) -> FrozenRows:
    labels, speakers = {}, {}
    for subset in subsets:
        for row, item, label in zip(subset.keys, subset.split.utterances, subset.split.labels, strict=True):
            labels[row], speakers[row] = label, item.speaker
    return FrozenRows(
        ids=tuple(id for _, id in rows),
        labels=tuple(labels[row] for row in rows),
        classes=tuple(classes),
        corpora=tuple(corpus for corpus, _ in rows),
        speakers=tuple(speakers[row] for row in rows),
    )


def _frozen_trainings(batch: FrozenBatch, rows: Mapping[UtteranceKey, int]) -> list[FrozenTraining]:
    def rows_of(*subsets: Subset) -> tuple[int, ...]:
        return tuple(rows[subset.keys[index]] for subset in subsets for index in subset.epoch)

    positions = {training.address: position for position, training in enumerate(batch.trainings)}
    return [
        FrozenTraining(
            train=rows_of(*training.train),
            validation=rows_of(*training.validation),
            tests={address: rows_of(test) for address, test in tests.items()},
            seed=training.seed,
            start=None if training.start is None else positions[training.start.address],
            adaptation=training.adaptation,
            unlabelled=() if training.unlabelled is None else rows_of(training.unlabelled),
        )
        for training, tests in zip(batch.trainings, batch.tests, strict=True)
    ]


TRAININGS = "trainings"


@dataclass(frozen=True)
class AdaptedWork:
    """One training with adapters.

    Attributes:
        folder: Folder of the study.
        label_map: Class -> emotions that belong to it.
        trainer: How trainers are built.
        training: The training; the one that it starts from is finished.
        tests: Address -> test utterances.
        features: Where hidden states are stored, for a head that is trained before the adapters.
    """

    folder: Path
    label_map: Mapping[str, list[str]]
    trainer: TrainerOptions
    training: Training
    tests: Mapping[str, Subset]
    features: FeatureConfig = field(default_factory=FeatureConfig)


def training_folder(folder: Path, training: Training) -> Path:
    """Return the folder of a training's checkpoints and logs in the folder of a study."""
    return folder / TRAININGS / training.address


def is_trained(folder: Path, training: Training) -> bool:
    """Return whether a training with adapters is finished."""
    return finished(training_folder(folder, training)) is not None


def epochs_of(folder: Path, training: Training) -> int:
    """Return the epochs of a finished training without those of its start; those of a head are included."""
    own_folder = training_folder(folder, training)
    return sum(
        stage.epochs for each in (own_folder, own_folder / HEAD) if (stage := finished(each)) is not None
    )


def run_adapted(work: AdaptedWork) -> None:
    """Train, or continue where a killed run stopped, then test and save every result.

    A second stage begins with the best or the last weights of the first, and with a new optimiser. Where the
    trainer has several devices, a process for each calls this, and the first saves the results.

    Raises:
        CheckpointError: If a checkpoint does not match, or is missing.
        ResultsError: If the record of a finished training is broken.
        OutputError: If results cannot be saved.
    """
    quieten()  # in the process of a work item, whose output is the log of the training
    training, own_folder = work.training, training_folder(work.folder, work.training)
    L.seed_everything(training.seed, verbose=False)
    task = _task(training)
    if training.start is not None and finished(own_folder) is None:
        load_weights(task, _first_weights(work.folder, training.start, training.continue_from))
    data = _data(work)
    extract_features(task, data, work.trainer.build(), work.features)  # of a frozen encoder
    stages = train(
        task,
        data,
        lambda stage, folder: work.trainer.build(folder, training.max_epochs),
        own_folder,
        resume=True,
        extract=lambda frozen: extract_features(frozen, data, work.trainer.build(), work.features),
        spent=_spent(work.folder, training),
    )
    if training.keeps_last:
        load_weights(task, last_weights(own_folder))
    by_first(partial(_forget_steps, training, own_folder))
    for address, test in work.tests.items():
        _test(work, task, stages[-1], address, test)


def _forget_steps(training: Training, own_folder: Path) -> None:
    """Remove what a killed run would continue from."""
    for each in (own_folder / HEAD, *(() if training.keeps_last else (own_folder,))):
        (each / LAST).unlink(missing_ok=True)


def _task(training: Training) -> EmotionClassifier:
    """Build the model; the head of a second stage, or of a frozen encoder, is not trained before the rest."""
    recipe = training.recipe
    is_second = training.start is not None
    later: dict[str, Any] = {"head_first": False} if is_second or training.adapter == "none" else {}
    later |= {"head_init": RANDOM} if is_second else {}  # its weights are those of the first stage
    kind = (
        EmotionClassifier
        if recipe.model_class is None
        else find_class(recipe.model_class, "model", EmotionClassifier)
    )
    task: EmotionClassifier = kind(**{**recipe.model, **later})
    return task


def _first_weights(folder: Path, training: Training, which: str) -> Path:
    result = _finished(folder, training)
    return last_weights(training_folder(folder, training)) if which == "last" else Path(result.checkpoint)


def _spent(folder: Path, training: Training) -> int:
    """Return the epochs of a shared budget that the first stage has used."""
    if training.start is None or not training.shares_epochs:
        return 0
    return _finished(folder, training.start).epochs


def _finished(folder: Path, training: Training) -> StageResult:
    own_folder = training_folder(folder, training)
    if (result := finished(own_folder)) is None:
        raise CheckpointError(f"{own_folder}: the training to be continued is not complete.")
    return result


def _data(work: AdaptedWork) -> Listed:
    training = work.training
    parts = {"train": joined(training.train), "validation": joined(training.validation)}
    others = None if training.unlabelled is None else seeded(training.unlabelled.split, training.seed)
    return Listed(
        work.label_map, {name: seeded(split, training.seed) for name, split in parts.items()}, others
    )


def _test(
    work: AdaptedWork, task: EmotionClassifier, result: StageResult, address: str, test: Subset
) -> None:
    found = score(task, Listed(work.label_map, {"test": test.split}), work.trainer.build())
    by_utterance = dict(zip(found.utterance, found.probabilities, strict=True))
    record = CellResult(
        training=work.training.address,
        layer=task.readout.chosen_state,
        epochs=sum(epochs_of(work.folder, step) for step in work.training.chain),
        early_stopped=result.stopped_early,
        seconds=result.seconds,
        trained=work.training.size,
    )
    ordered = [by_utterance[item.id] for item in test.split.utterances]
    predictions = predictions_of(test, ordered, list(work.label_map))
    by_first(partial(write_result, work.folder, address, predictions, record))
