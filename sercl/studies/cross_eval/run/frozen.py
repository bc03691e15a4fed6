"""A batch of trainings on stored hidden states of a frozen encoder, as one work item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sercl.features.space import FeatureSpace
from sercl.features.store import FeatureStore
from sercl.features.stored import StoredFeatures
from sercl.studies.cross_eval.plan.trainings import Share, Training
from sercl.studies.cross_eval.run.results import CellResult, predictions_of, write_result
from sercl.studies.heads.adaptation import FrozenResult, FrozenRows, FrozenTraining
from sercl.studies.heads.config import ProbeConfig
from sercl.studies.heads.frozen import train_frozen

Tests = Mapping[str, Share]
"""Address of a test -> its utterances."""

Row = tuple[str, str]
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
    shares = [share for each in zip(batch.trainings, batch.tests, strict=True) for share in _shares(*each)]
    rows = {row: place for place, row in enumerate(sorted({row for share in shares for row in share.keys}))}
    keys = {row: key for share in shares for row, key in zip(share.keys, share.split.audio_keys, strict=True)}
    features = StoredFeatures(
        FeatureStore(batch.store), batch.space, {str(place): keys[row] for row, place in rows.items()}
    )
    train_frozen(
        features.stack([str(place) for place in rows.values()]),
        _described(rows, shares, batch.classes),
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
        )
        for address, test in self._batch.tests[position].items():
            predictions = predictions_of(test, result.probabilities[address], self._batch.classes)
            write_result(self._batch.folder, address, predictions, record)


def _shares(training: Training, tests: Tests) -> list[Share]:
    return [*training.known, *tests.values()]


def _described(rows: Mapping[Row, int], shares: Sequence[Share], classes: Sequence[str]) -> FrozenRows:
    labels, speakers = {}, {}
    for share in shares:
        for row, item, label in zip(share.keys, share.split.utterances, share.split.labels, strict=True):
            labels[row], speakers[row] = label, item.speaker
    return FrozenRows(
        ids=tuple(id for _, id in rows),
        labels=tuple(labels[row] for row in rows),
        classes=tuple(classes),
        corpora=tuple(corpus for corpus, _ in rows),
        speakers=tuple(speakers[row] for row in rows),
    )


def _frozen_trainings(batch: FrozenBatch, rows: Mapping[Row, int]) -> list[FrozenTraining]:
    def placed(share: Share) -> tuple[int, ...]:
        return tuple(rows[row] for row in share.keys) * share.repeat

    places = {training.address: place for place, training in enumerate(batch.trainings)}
    return [
        FrozenTraining(
            train=tuple(row for share in training.train for row in placed(share)),
            validation=placed(training.validation),
            tests={address: placed(test) for address, test in tests.items()},
            seed=training.seed,
            start=None if training.start is None else places[training.start.address],
            adaptation=training.adaptation,
            unlabelled=() if training.unlabelled is None else placed(training.unlabelled),
        )
        for training, tests in zip(batch.trainings, batch.tests, strict=True)
    ]
