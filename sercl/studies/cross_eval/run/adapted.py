"""A training with adapters and its tests, as one work item."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import lightning.pytorch as L

from sercl.data.datamodules.listed import Listed
from sercl.errors import CheckpointError
from sercl.features.config import FeatureConfig
from sercl.studies.cross_eval.plan.trainings import Share, Training, joined, seeded
from sercl.studies.cross_eval.run.results import CellResult, predictions_of, write_result
from sercl.studies.training.fit import extract_features, last_weights, load_weights, score, train
from sercl.studies.training.resuming import LAST
from sercl.studies.training.stages import HEAD, StageResult, finished
from sercl.studies.training.trainers import TrainerOptions
from sercl.tasks.classification import EmotionClassifier

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
    tests: Mapping[str, Share]
    features: FeatureConfig = field(default_factory=FeatureConfig)


def training_folder(folder: Path, training: Training) -> Path:
    """Return the folder of a training's checkpoints and logs in the folder of a study."""
    return folder / TRAININGS / training.address


def is_trained(folder: Path, training: Training) -> bool:
    """Return whether a training with adapters is finished."""
    return finished(training_folder(folder, training)) is not None


def epochs_of(folder: Path, training: Training) -> int:
    """Return the epochs of a finished training without those of its start; those of a head are included."""
    place = training_folder(folder, training)
    return sum(stage.epochs for each in (place, place / HEAD) if (stage := finished(each)) is not None)


def run_adapted(work: AdaptedWork) -> None:
    """Train, or continue where a killed run stopped, then test and save every result.

    A second stage begins with the best or the last weights of the first, and with a new optimiser.

    Raises:
        CheckpointError: If a checkpoint does not match, or is missing.
        ResultsError: Where the record of a finished training is broken.
        OutputError: If results cannot be saved.
    """
    training, place = work.training, training_folder(work.folder, work.training)
    L.seed_everything(training.seed, verbose=False)
    task = _task(training)
    if training.start is not None and finished(place) is None:
        load_weights(task, _first_weights(work.folder, training.start, training.continue_from))
    data = _data(work)
    stages = train(
        task,
        data,
        lambda stage, folder: work.trainer.build(folder, training.max_epochs),
        place,
        resume=True,
        pool=lambda frozen: extract_features(frozen, data, work.trainer.build(), work.features),
        spent=_spent(work.folder, training),
    )
    for each in (place / HEAD, *(() if training.keeps_last else (place,))):
        (each / LAST).unlink(missing_ok=True)  # what a killed run would continue from
    for address, test in work.tests.items():
        _test(work, task, stages[-1], address, test)


def _task(training: Training) -> EmotionClassifier:
    """Build the model; a second stage already has a trained head."""
    later = {"head_first": False} if training.start is not None else {}
    return EmotionClassifier(**{**training.recipe.model, **later})


def _first_weights(folder: Path, training: Training, which: str) -> Path:
    result = _finished(folder, training)
    return last_weights(training_folder(folder, training)) if which == "last" else Path(result.checkpoint)


def _spent(folder: Path, training: Training) -> int:
    """Return the epochs of a shared budget that the first stage has used."""
    if training.start is None or not training.shares_epochs:
        return 0
    return _finished(folder, training.start).epochs


def _finished(folder: Path, training: Training) -> StageResult:
    place = training_folder(folder, training)
    if (result := finished(place)) is None:
        raise CheckpointError(f"{place}: the training to be continued is not complete.")
    return result


def _data(work: AdaptedWork) -> Listed:
    training = work.training
    parts = {"train": joined(training.train), "validation": training.validation.split}
    others = None if training.unlabelled is None else seeded(training.unlabelled.split, training.seed)
    return Listed(
        work.label_map, {name: seeded(split, training.seed) for name, split in parts.items()}, others
    )


def _test(work: AdaptedWork, task: EmotionClassifier, result: StageResult, address: str, test: Share) -> None:
    found = score(task, Listed(work.label_map, {"test": test.split}), work.trainer.build())
    by_utterance = dict(zip(found.utterance, found.probabilities, strict=True))
    record = CellResult(
        training=work.training.address,
        layer=result.chosen_state,
        epochs=sum(epochs_of(work.folder, step) for step in work.training.chain),
        early_stopped=result.stopped_early,
        seconds=result.seconds,
        trained=work.training.size,
    )
    ordered = [by_utterance[item.id] for item in test.split.utterances]
    write_result(work.folder, address, predictions_of(test, ordered, list(work.label_map)), record)
