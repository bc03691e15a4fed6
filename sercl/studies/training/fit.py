"""Train a task stage by stage, then evaluate it on the test part; returns data and prints nothing."""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as L
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, Timer
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason
from torch import Tensor

from sercl.data.datamodules.base import EmotionDataModule
from sercl.data.report import Progress
from sercl.data.split import Split
from sercl.errors import CheckpointError, OutputError, UsageError
from sercl.features.config import FeatureConfig
from sercl.files import at_home, writing_to
from sercl.studies.heads.adaptation import FrozenRows, normalize_corpora
from sercl.studies.heads.config import PRESETS
from sercl.studies.heads.frozen import fit_regressions
from sercl.studies.results.forgetting import SourceTest
from sercl.studies.results.predictions import Predictions, known_of, known_values
from sercl.studies.training.results import RunResults, save, summarise
from sercl.studies.training.resuming import (
    StageStart,
    TrainerFactory,
    damage,
    naming_checkpoint,
    remaining_epochs,
    stage_starts,
    starting_point,
)
from sercl.studies.training.stages import (
    EARLY_STOPPING,
    EPOCH_LIMIT,
    HEAD,
    STEP_LIMIT,
    TIME_LIMIT,
    StageResult,
    finished,
    keep,
    limits_of,
    stage_folder,
)
from sercl.studies.training.trainers import TrainerOptions, let_weights_be_unread, refusals, stops_waiting
from sercl.tasks import checkpoint as checkpoints
from sercl.tasks.base import EncoderTask
from sercl.tasks.callbacks import LAST, RandomState, seconds_of
from sercl.tasks.classification import ClassifierEnsemble, EmotionClassifier
from sercl.tasks.gathering import of_first
from sercl.tasks.layers import quick_encoder
from sercl.tasks.models import REGRESSION

_REASONS = {
    EarlyStoppingReason.PATIENCE_EXHAUSTED: EARLY_STOPPING,
    EarlyStoppingReason.STOPPING_THRESHOLD: "stopping threshold",
    EarlyStoppingReason.DIVERGENCE_THRESHOLD: "divergence threshold",
    EarlyStoppingReason.NON_FINITE_METRIC: "value that is not finite",
}


def early_end(trainer: L.Trainer) -> str | None:
    """Return why early stopping has ended a training; None if it has not."""
    stoppers = (each for each in trainer.callbacks if isinstance(each, EarlyStopping))  # type: ignore[attr-defined]
    return next(
        (_REASONS[each.stopping_reason] for each in stoppers if each.stopping_reason in _REASONS), None
    )


def ended_by(trainer: L.Trainer) -> str:
    """Return what ended a training, one of `sercl.studies.training.stages.ENDS`.

    If a limit and early stopping coincide, it is early stopping: no more epochs would have been trained.
    """
    if (reason := early_end(trainer)) is not None:
        return reason
    if 0 <= trainer.max_steps <= trainer.global_step:
        return STEP_LIMIT
    if trainer.max_epochs is not None and 0 <= trainer.max_epochs <= epochs_of(trainer):
        return EPOCH_LIMIT
    timers = (each for each in trainer.callbacks if isinstance(each, Timer))  # type: ignore[attr-defined]
    if any((each.time_remaining() or 0) <= 0 for each in timers):
        return TIME_LIMIT
    return "callback"


def epochs_of(trainer: L.Trainer) -> int:
    """Return the number of epochs of a training, including those before a resume.

    Lightning's own count lacks the last one if a resumed training has nothing left to do.
    """
    progress: Any = trainer.fit_loop.epoch_progress.current
    return int(progress.processed)


Extract = Callable[[EmotionClassifier], object]
"""Makes the data module serve hidden states of a frozen model instead of audio, if possible."""


def extract_features(
    task: EmotionClassifier | ClassifierEnsemble,
    data: EmotionDataModule,
    trainer: L.Trainer,
    config: FeatureConfig,
    cache: bool = True,
    on_progress: Progress | None = None,
) -> bool:
    """Run a frozen encoder once on each utterance, if the set-up does not need the audio again.

    Args:
        task: The model.
        data: Its data, set up.
        trainer: Determines the devices on which the encoder runs.
        config: How hidden states are computed, and where they are stored.
        cache: Whether the feature store is used.
        on_progress: Called with the current step, the number of utterances done, and their total.

    Returns:
        Whether the data module now serves features instead of audio.
    """
    if not (task.can_use_features and data.can_use_features):
        return False
    from sercl.features.extraction import features_of  # with Arrow, which adapters need not wait for

    own = task.first if isinstance(task, ClassifierEnsemble) else task
    data.use_features(
        features_of(
            own.encoder,
            data,
            trainer,
            pooling=str(own.stored_pooling),
            states=own.readout.states,
            config=config,
            cache=cache,
            on_progress=on_progress,
        )
    )
    return True


def fit(
    task: EmotionClassifier,
    data: EmotionDataModule,
    folder: Path | str,
    options: TrainerOptions = TrainerOptions.of(),
    features: FeatureConfig = FeatureConfig(),
    cache: bool = True,
) -> RunResults:
    """Train a classifier and test it, as `sercl fit` does, with objects made in Python.

    Call `lightning.seed_everything` before the model is built, for a result that can be repeated.

    Args:
        task: The model, with `labels=data.label_map`. It is left with the weights of its best epoch.
        data: The data; they are listed, checked and split here if they are not yet.
        folder: A new folder, for what `sercl fit` writes, except `config.yaml`: checkpoints, lists of the
            folds, logs, results and predictions.
        options: Trainer, early stopping and checkpoints.
        features: How hidden states of a frozen encoder are computed, and where they are stored.
        cache: Whether the feature store is used.

    Raises:
        UsageError: If model and data have different classes, or for options that Lightning refuses.
        OutputError: If the folder has files of another run, or cannot be written.
        SerclError: As setting up the data and computing features.
    """
    begin, place = time.perf_counter(), at_home(folder)
    _check_new(task, data, place)
    if data.trains_on_everything:
        raise UsageError(
            "fit: the scheme none leaves nothing to test on. Use `sercl fit`, or `train` below it."
        )
    if task.adversary is not None:
        data.use_unlabelled()
    if task.standardized_corpora is not None:
        data.use_target_statistics()
    data.setup()
    data.save_folds(place / "folds")

    def extract(model: EmotionClassifier) -> bool:
        return extract_features(model, data, options.build(), features, cache)

    extract(task)
    stages = train(
        task,
        data,
        lambda stage, own: options.build(own, data.epoch_limit(stage)),
        place,
        resume=False,
        extract=extract,
    )
    tester = options.build(scores_to=place)
    predictions = score(task, data, tester)
    source_test = score_source(task, data, tester, place, stages)
    seed = os.environ.get("PL_GLOBAL_SEED")  # where Lightning keeps it
    results = summarise(
        task,
        data,
        predictions,
        "test",
        stages,
        seed=None if seed is None else int(seed),
        seconds=time.perf_counter() - begin,
        source_test=source_test,
    )
    save(results, predictions, place, source_test)
    return results


def _check_new(task: EmotionClassifier, data: EmotionDataModule, folder: Path) -> None:
    if list(data.classes) != task.classes:
        raise UsageError(
            f"the model's classes are {', '.join(task.classes)}, the data's {', '.join(data.classes)}. "
            "Build the model with labels=data.label_map."
        )
    if folder.exists() and any(folder.iterdir()):
        raise OutputError(f"{folder}: is not empty. Give a new folder, or remove it.")


def train(
    task: EncoderTask,
    data: EmotionDataModule,
    trainer_for: TrainerFactory,
    folder: Path,
    resume: bool,
    extract: Extract | None = None,
    spent: int = 0,
) -> list[StageResult]:
    """Train every stage of the data module, leaving the task with the weights of the last stage's best epoch.

    Each stage has its own trainer and optimiser; a finished stage is not run again on resume.

    Args:
        task: The model.
        data: Its data, set up.
        trainer_for: Builds the trainer of a stage.
        folder: Folder for checkpoints.
        resume: Whether to continue an interrupted training.
        extract: Called with the model whose head is trained first, see `extract_features`; None to train that
            head on audio.
        spent: Epochs of a shared budget that an earlier training has used.

    Raises:
        CheckpointError: If `resume` finds a checkpoint that does not match, or lacks one.
        ResultsError: If `resume` finds a broken record of a finished stage.
    """
    folders = stage_folders(task, data, folder)
    starts = of_first(lambda: stage_starts(folders, trainer_for, resume))
    results = []
    if HEAD in folders and isinstance(task, EmotionClassifier):
        results.append(_train_head(task, data, trainer_for, folders[HEAD], starts[HEAD], extract))
    for stage in data.stages:
        data.set_stage(stage)
        is_first = not results
        results.append(
            _run_stage(task, data, trainer_for, stage, folders[stage], starts[stage], spent, is_first)
        )
        spent += results[-1].epochs if data.shares_epochs else 0
        if data.continues_from == "last" and stage != data.stages[-1]:
            load_weights(task, last_weights(folders[stage]))
    return results


def last_weights(folder: Path) -> Path:
    """Return the checkpoint of the last epoch of a finished stage.

    Raises:
        CheckpointError: If it was not saved.
    """
    path = folder / LAST
    if not path.is_file():
        raise CheckpointError(
            f"{path}: missing; the next stage must continue from the last weights. Save it with "
            f"--checkpoint.save_last true, or delete {folder} to train all stages in it again."
        )
    return path


def stage_folders(task: EncoderTask, data: EmotionDataModule, folder: Path) -> dict[str, Path]:
    """Return stage -> folder of its checkpoints, in the order of training."""
    has_head = isinstance(task, EmotionClassifier) and task.trains_head_first
    head = {HEAD: folder / HEAD} if has_head else {}
    return head | {stage: stage_folder(folder, stage, data.stages) for stage in data.stages}


def load_weights(task: EncoderTask, path: Path) -> None:
    """Load a checkpoint's weights into a task that was built the same way."""
    stored = checkpoints.read(path)
    task.on_load_checkpoint(stored)
    task.load_state_dict(stored["state_dict"])


def score(
    task: EmotionClassifier | ClassifierEnsemble,
    data: EmotionDataModule,
    trainer: L.Trainer,
    part: str = "test",
    logged_as: str | None = None,
) -> Predictions:
    """Return the predictions of every utterance of a part, ordered by id.

    Args:
        task: The model.
        data: The data.
        trainer: Runs the model; its loggers receive the scores.
        part: "test" or "validation".
        logged_as: Prefix of the logged scores; by default "test" or "val".
    """
    data.setup(part if part == "test" else "validate")
    loader = data.test_dataloader() if part == "test" else data.val_dataloader()
    task.tested_as = logged_as or ("test" if part == "test" else "val")
    if part != "test":
        trainer.limit_test_batches = trainer.limit_val_batches
    trainer.test(task, dataloaders=loader, verbose=False)
    ids, truth, probabilities = zip(*task.predicted, strict=True)
    every = {utterance.id: utterance for utterance in data.utterances_in_use}
    tested = [every[id] for id in ids]
    # The same columns for all folds of a corpus, also where one of them has a single value.
    known = {name: known_values(tested, name) for name in known_of(list(every.values()))}
    speakers = [item.speaker for item in tested]
    return Predictions.of_one_run(task.classes, ids, speakers, truth, probabilities, known)


def score_source(
    task: EmotionClassifier,
    data: EmotionDataModule,
    trainer: L.Trainer,
    folder: Path,
    stages: Sequence[StageResult],
) -> SourceTest | None:
    """Test the source before and after the second of two stages; None where there is only one.

    Args:
        task: The model; it is left with the weights of the last stage.
        data: Its data.
        trainer: Runs the model; its loggers receive the scores as "source_before" and "source_after".
        folder: Folder of the checkpoints, as of `train`.
        stages: What `train` returned.

    Raises:
        CheckpointError: If the weights from which the second stage continued are missing.
    """
    if (own := data.source_test) is None:
        return None
    first, last = data.stages[0], stages[-1]
    best = next(stage.checkpoint for stage in stages if stage.stage == first)
    is_last = data.continues_from == "last"
    load_weights(task, last_weights(stage_folder(folder, first, data.stages)) if is_last else Path(best))
    before = score(task, own, trainer, logged_as="source_before")
    load_weights(task, Path(last.checkpoint))
    after = score(task, own, trainer, logged_as="source_after")
    return SourceTest(own.report.name, before, after)


def _train_head(
    task: EmotionClassifier,
    data: EmotionDataModule,
    trainer_for: TrainerFactory,
    folder: Path,
    start: StageStart,
    extract: Extract | None,
) -> StageResult:
    """Train the readout on the encoder without adapters, on the data of the first stage."""
    twin = task.frozen_twin()
    data.set_stage(data.stages[0])
    if extract is not None and start is not StageStart.DONE:
        extract(twin)
    result = _run_stage(twin, data, trainer_for, HEAD, folder, start)
    if start is not StageStart.DONE:
        data.use_features(None)
    task.take_head_of(twin)
    return result


def _run_stage(
    task: EncoderTask,
    data: EmotionDataModule,
    trainer_for: TrainerFactory,
    stage: str,
    folder: Path,
    start: StageStart,
    spent: int = 0,
    is_first: bool = True,
) -> StageResult:
    """Train a stage to its end, unless it is complete, and leave the task with its best weights."""
    done = finished(folder) if start is StageStart.DONE else None
    if done is not None:
        load_weights(task, Path(done.checkpoint))
        _draw_on(folder)
        return replace(done, chosen_state=task.readout.chosen_state)
    folder.mkdir(parents=True, exist_ok=True)
    trainer = trainer_for(stage, folder)
    limits = limits_of(trainer)
    if spent and trainer.max_epochs is not None and trainer.max_epochs > 0:
        trainer.fit_loop.max_epochs = remaining_epochs(trainer.max_epochs, spent)
    checkpoint = of_first(lambda: starting_point(folder)) if start is StageStart.CONTINUE else None
    let_weights_be_unread(trainer, task)
    _fit_regressions(task, data, trainer, is_first)
    quick = quick_encoder(task, trainer, not data.serves_features, repeats=data.can_use_features)
    with (
        refusals(),
        writing_to(folder),
        stops_waiting(trainer),
        naming_checkpoint(checkpoint, trainer),
        quick,
    ):
        trainer.fit(task, datamodule=data, ckpt_path=checkpoint, weights_only=True)
    if checkpoint is not None:  # its last epoch may have been complete: then nothing has set them
        _draw_on(folder)
    result = _summary(trainer, stage)
    load_weights(task, Path(result.checkpoint))
    result = replace(result, chosen_state=task.readout.chosen_state)
    keep(result, folder, limits)
    return result


def _draw_on(folder: Path) -> None:
    """Set the random generators as they were at the end of a stage, for the next one."""
    if (last := folder / LAST).is_file() and damage(last) is None:
        RandomState.take_from(checkpoints.read(last))


def _fit_regressions(task: EncoderTask, data: EmotionDataModule, trainer: L.Trainer, is_first: bool) -> None:
    """Decide the layer of "auto" by regressions, and start a first stage from them, if states are stored."""
    if not (isinstance(task, EmotionClassifier) and data.serves_features):
        return  # validation chooses the layer
    starts = is_first and task.head_init == REGRESSION
    if not (starts or task.readout.layer == "auto"):
        return
    train, validation = data.splits["train"], data.splits["validation"]
    references = () if task.standardized_corpora is None else data.reference_splits
    used = train.joined([validation, *references])
    rows = _described(used, data.classes)
    numbers = {id: row for row, id in enumerate(rows.ids)}
    readout = task.readout
    found = fit_regressions(
        data.stacked_features(rows.ids),
        rows,
        [numbers[item.id] for item in train.utterances],
        [numbers[item.id] for item in validation.utterances],
        replace(
            PRESETS["logistic"],
            standardize=readout.standardizer is not None,
            layer_norm=readout.layer_norm,
        ),
        trainer.strategy.root_device,
        _by_corpus(used, references, numbers) if references else None,
    )
    if readout.layer == "auto":
        readout.decided = found.best
    if starts:
        for head, weights in zip(readout.heads, found.heads, strict=True):
            head.load_state_dict(weights)


Transformation = Callable[[Tensor], Tensor]


def _by_corpus(used: Split, references: Iterable[Split], numbers: Mapping[str, int]) -> Transformation:
    """Return the standardisation of each corpus by its own statistics, as the model does it."""
    names = {item.id: name for item, name in zip(used.utterances, used.corpora, strict=True)}
    reference = [numbers[item.id] for split in references for item in split.utterances]
    return partial(normalize_corpora, corpora=[names[id] for id in numbers], reference=reference)


def _described(split: Split, classes: Sequence[str]) -> FrozenRows:
    """Describe every utterance of a split once."""
    pairs = zip(split.utterances, split.labels, strict=True)
    items = {item.id: (item, label) for item, label in pairs}
    return FrozenRows(
        ids=tuple(items),
        labels=tuple(label for _, label in items.values()),
        corpora=tuple(item.corpus for item, _ in items.values()),
        speakers=tuple(item.speaker for item, _ in items.values()),
        classes=tuple(classes),
    )


def _summary(trainer: L.Trainer, stage: str) -> StageResult:
    saver = trainer.checkpoint_callback
    if not isinstance(saver, ModelCheckpoint) or not saver.best_model_path:
        raise OutputError(
            f"stage {stage!r} ended after {trainer.global_step} steps ({ended_by(trainer)}) without "
            f"saving an epoch: one is saved after a validation (--trainer.check_val_every_n_epoch, "
            "--checkpoint.every_n_epochs). Train for longer, or validate more often."
        )
    best = checkpoints.read(saver.best_model_path)
    return StageResult(
        stage=stage,
        checkpoint=saver.best_model_path,
        monitor=str(saver.monitor),
        score=_finite(saver.best_model_score),
        epoch=int(best["epoch"]),
        epochs=epochs_of(trainer),
        stopped_early=early_end(trainer) is not None,
        chosen_state=None,
        seconds=seconds_of(trainer),
        ended_by=ended_by(trainer),
    )


def _finite(value: Tensor | None) -> float | None:
    return float(value) if value is not None and value.isfinite() else None
