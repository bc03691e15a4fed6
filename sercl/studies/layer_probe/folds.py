"""The layer probe study on a data module: which questions on which folds; returns data and prints nothing."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from sercl.corpora.base import PARTS, Utterance
from sercl.corpora.folds import Fold, merged_notes
from sercl.corpora.labels import label_scheme
from sercl.data.datamodules.base import EmotionDataModule
from sercl.data.settings import BY_CORPUS, MONOLINGUAL, ROLES, SETTINGS, SOURCE, TARGET, ZERO_SHOT, plans_for
from sercl.errors import ResultsError, UnknownNameError, UsageError
from sercl.files import CsvWriter, open_text, write_text
from sercl.json_text import json_text
from sercl.studies.heads.adaptation import NOTES, FrozenRows, FrozenTraining, adaptation_of
from sercl.studies.heads.config import ProbeConfig, ProbeOptions
from sercl.studies.heads.jobs import WEIGHTED, jobs_for
from sercl.studies.heads.parts import View, check_finite, check_layers, check_parts, check_shape
from sercl.studies.heads.running import ProbeData, train_probes, training_device
from sercl.studies.heads.training import Keep, OnEpochs, Outcome
from sercl.studies.layer_probe.summary import ProbeResults, ScoreRow, Trained, summarise
from sercl.studies.layer_probe.task import UNLABELLED, WITHIN_SPEAKER, ProbeTask, probe_task
from sercl.studies.results.groups import check_groups, groups_of
from sercl.studies.results.predictions import (
    PREDICTIONS,
    Predictions,
    classes_of,
    frame_to_csv,
    known_columns,
    probability_columns,
    read_frame,
    write_frame,
)
from sercl.studies.results.records import RESULTS, as_record, read_content, with_nan

_TASK = ("target", "setting")
"""Columns of a task in the file of predictions."""

CONTROL_SEED = 0
"""Seed of the shuffled labels: a separate task, the same for every seed of the probes."""


def probe_study(
    features: Tensor | NDArray[np.float32],
    task: ProbeTask,
    config: ProbeConfig = ProbeConfig(),
    *,
    layers: Sequence[int] | None = None,
    control: bool = True,
    weighted: bool = True,
    device: torch.device | str = "cpu",
    on_epochs: OnEpochs = lambda _: None,
) -> ProbeResults:
    """Probe hidden states.

    Args:
        features: `[utterances, states, dim]` pooled hidden states in the order of `task.ids`, as of
            `sercl.embed`; may be mapped from a file.
        task: The target and the folds.
        config: Head, optimiser and schedule.
        layers: Hidden states to probe, None for all.
        control: Whether to train the probes on shuffled labels, too.
        weighted: Whether to probe a learned weighted sum of all hidden states, too.
        device: Device on which the probes are trained; the CPU replaces "mps".
        on_epochs: Called with the number of further epochs (of `epochs_of`) done, from the training threads,
            one call at a time.

    Raises:
        UsageError: For features of another shape, or a layer that they do not have.
        FeatureError: For NaN or infinite features.
        FoldError: For invalid folds.
    """
    begin = time.perf_counter()
    features = torch.as_tensor(features)
    numbers = _checked_layers(features, task, layers, weighted)
    check_parts(task.folds, task.labels, task.classes)
    chosen_device = training_device(device)
    wanted = [*numbers, *([WEIGHTED] if weighted else [])]
    real = _train(features, task, wanted, config, chosen_device, on_epochs)
    shuffled = task.shuffled(CONTROL_SEED)
    controls = _train(features, shuffled, numbers, config, chosen_device, on_epochs) if control else {}
    results = summarise(task, real, shuffled, controls, config, time.perf_counter() - begin)
    return replace(results, notes=(*_standardization_notes(task, config), *results.notes))


def _standardization_notes(task: ProbeTask, config: ProbeConfig) -> list[str]:
    if config.standardize != BY_CORPUS:
        return []
    return [NOTES[BY_CORPUS] if any(task.unlabelled) else "each corpus is standardised separately"]


def epochs_of(
    task: ProbeTask, config: ProbeConfig, layers: int, control: bool = True, weighted: bool = True
) -> int:
    """Return the maximum number of epochs over all probes, for a progress bar."""
    probes = len(task.folds) * len(config.seeds) * (layers * (1 + control) + weighted)
    return probes * config.rounds


def _checked_layers(
    features: Tensor, task: ProbeTask, layers: Sequence[int] | None, weighted: bool
) -> list[int]:
    check_shape(features, task.ids)
    every = range(features.shape[1])
    wanted = sorted(every if layers is None else layers)
    check_layers(wanted, len(every))
    check_finite(features, task.ids, every if weighted else wanted)
    return wanted


def _train(
    features: Tensor,
    task: ProbeTask,
    layers: Sequence[int],
    config: ProbeConfig,
    device: torch.device,
    on_epochs: OnEpochs,
) -> Trained:
    views = _views_by_corpus(task, config) if config.standardize == BY_CORPUS else {}
    labels = torch.tensor(task.labels)
    data = ProbeData(features, labels, len(task.classes), task.folds, views, task.people)
    jobs = jobs_for(len(task.folds), layers, config.seeds)
    by_layer: dict[int, dict[tuple[int, int], Outcome]] = {layer: {} for layer in layers}
    for outcome in train_probes(data, jobs, config, device, on_epochs, keep=Keep(logits=True)):
        by_layer[outcome.job.layer][outcome.job.fold, outcome.job.seed] = outcome
    return by_layer


def _views_by_corpus(task: ProbeTask, config: ProbeConfig) -> dict[int, View]:
    """Return the features of each fold as the adaptation of a study makes them."""
    if not task.corpora:
        raise UsageError(f"probe standardize {BY_CORPUS}: it is not known which corpus a row is from.")
    rows = FrozenRows(task.ids, task.labels, task.corpora, task.speakers, task.classes)
    unlabelled = task.unlabelled or ((),) * len(task.folds)
    views = {}
    for number, (fold, others) in enumerate(zip(task.folds, unlabelled, strict=True)):
        tests = {"test": fold.test}
        training = FrozenTraining(
            fold.train, fold.validation, tests, 0, adaptation=BY_CORPUS, unlabelled=others
        )
        adapt = adaptation_of(f"probe, fold {number}", training, rows)
        views[number] = View(adapt=adapt, layer_norm=config.layer_norm)
    return views


Folds = Sequence[Mapping[str, Fold]]
"""Per fold, corpus name (or "source" and "target") -> its fold."""

EMOTION = "emotion"
JOINT = "joint"
"""Setting of a target that is probed on both corpora of a pair together."""

ONE_STAGE = tuple(name for name, stages in SETTINGS.items() if len(stages) == 1)


@dataclass(frozen=True)
class LayerProbeOptions(ProbeOptions):
    """What is probed, and how; options that are null come from the preset.

    Args:
        targets: What is predicted, joined by commas: emotion, language, speaker, gender, or any other column
            of the corpus.
        settings: For a language pair, joined by commas: monolingual, zero-shot, transfer; null for the
            setting of the data.
        layers: Hidden states to probe, such as [0, 3, 6]; null for all.
        control: Also train the probes on shuffled labels, as a control for what they reach by chance.
        weighted: Also probe a learned weighted sum of all hidden states.
    """

    targets: str = EMOTION
    settings: str | None = None
    layers: list[int] | None = None
    control: bool = True
    weighted: bool = True

    @property
    def target_names(self) -> list[str]:
        """The targets one by one."""
        return _names(self.targets)

    @property
    def setting_names(self) -> list[str]:
        """The settings one by one; empty for that of the data."""
        return [] if self.settings is None else _names(self.settings)


@dataclass(frozen=True)
class LayerProbe:
    """Everything reported about one layer probe; plain data, saved as `results.json`.

    Attributes:
        name: The corpus, or "source -> target".
        results: One study per target and setting.
        encoder: Name, fingerprint and preprocessing.
        data: Counts of what the folds hold.
        environment: Versions, command line, seed.
        seconds: Wall-clock time of the whole command.
    """

    name: str
    results: tuple[ProbeResults, ...]
    encoder: Mapping[str, Any]
    data: Mapping[str, Any]
    environment: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "name": self.name,
            "encoder": dict(self.encoder),
            "data": dict(self.data),
            "results": [result.to_dict() for result in self.results],
            "environment": dict(self.environment),
            "seconds": round(self.seconds, 2),
        }


def cut_folds(data: EmotionDataModule) -> list[Mapping[str, Fold]]:
    """Return every fold of a data module that has been set up."""
    folds: list[Mapping[str, Fold]] = []
    for index in range(data.fold_count):
        data.set_fold(index)
        folds.append(dict(data.training_folds))
    return folds


def probe_tasks(data: EmotionDataModule, folds: Folds, options: LayerProbeOptions) -> list[ProbeTask]:
    """Return the probe tasks, each with its folds.

    Emotion is probed in the settings of a language pair. Any other target is probed on both corpora
    together, each with its own folds: a probe trained on one language could not tell languages apart.

    Raises:
        UsageError: For settings without a pair, an unknown setting, or a target with fewer than two classes.
        UnknownNameError: For a target that the data do not have.
        FoldError: If within-speaker folds are impossible.
    """
    scheme = label_scheme(data.label_map)
    by_corpus = options.config().standardize == BY_CORPUS
    names = _names_of_corpora(data) if by_corpus else None
    tasks = []
    for target in options.target_names:
        if target == EMOTION:
            tasks += [
                probe_task(_parts(folds, data, setting, by_corpus), target, scheme, setting, names=names)
                for setting in _settings(data, options)
            ]
        else:
            setting = JOINT if len(folds[0]) > 1 else MONOLINGUAL
            joined = [_joined(fold) for fold in folds]
            tasks.append(probe_task(joined, target, scheme, setting, names=names))
    return tasks


def _names_of_corpora(data: EmotionDataModule) -> dict[str, str]:
    """Return the name of the corpus of every utterance by id, as the data name them."""
    split = data.split_of(list(data.checked))
    return {item.id: name for item, name in zip(split.utterances, split.corpora, strict=True)}


def save(probe: LayerProbe, folder: Path) -> None:
    """Write the results into a folder.

    `results.json`, `layers.csv` (a row per layer), `probes.csv` (a row per trained probe), `predictions.csv`
    (a row per test utterance, at the layer chosen in its fold) and, if groups are scored, `groups.csv`.
    """
    results = probe.results
    _write_rows(folder / "layers.csv", [row for result in results for row in result.layer_rows()])
    _write_rows(folder / "probes.csv", [row for result in results for row in result.run_rows()])
    write_frame(predictions_frame(results), folder / PREDICTIONS)
    groups = list(chain.from_iterable(result.group_frames() for result in results))
    if groups:
        with open_text(folder / "groups.csv") as file:
            file.write(frame_to_csv(pd.concat(groups, ignore_index=True)))
    write_text(folder / RESULTS, json_text(probe.to_dict(), indent=2) + "\n")


def predictions_frame(results: Sequence[ProbeResults]) -> pd.DataFrame:
    """Return all test predictions, with empty cells where a target has other classes."""
    frame = pd.concat([result.prediction_frame() for result in results], ignore_index=True)
    known = known_columns(frame.columns)
    others = [name for name in frame.columns if name not in (*_TASK, "layer", *known)]
    return frame[[*_TASK, "layer", *others, *known]]


def with_groups(results: Sequence[ProbeResults], columns: Sequence[str]) -> tuple[ProbeResults, ...]:
    """Add the scores of groups of utterances at the layer chosen in each fold, by each column.

    Raises:
        UsageError: As `sercl.studies.results.groups.groups_of`.
    """
    predictions = {index: own.predictions for index, own in enumerate(results) if own.predictions is not None}
    found = groups_of(predictions, columns)
    return tuple(replace(own, groups=found.get(index, ())) for index, own in enumerate(results))


def check_grouping(tasks: Sequence[ProbeTask], data: EmotionDataModule, columns: Sequence[str]) -> None:
    """Raise `UsageError` before anything is trained if the test parts cannot be grouped by these columns."""
    if not columns:
        return
    if within := [task.target for task in tasks if task.splits == WITHIN_SPEAKER]:
        raise UsageError(
            f"--group_by: {within[0]} is probed on folds within speakers, whose groups cannot be compared: "
            f"each class is one speaker. Leave --group_by out, or {within[0]} out of --probe.targets."
        )
    utterances = {item.id: item for item in data.split_of(list(data.checked)).utterances}
    tested = [{task.ids[row] for fold in task.folds for row in fold.test} for task in tasks]
    check_groups([[utterances[id] for id in sorted(own)] for own in tested], columns)


def read_predictions(folder: Path) -> dict[tuple[str, str], Predictions]:
    """Read the `predictions.csv` that `save` wrote.

    Returns:
        Target and setting -> predictions at the layer chosen in each fold.

    Raises:
        ResultsError: If it, or `results.json`, is missing or broken.
    """
    frame, found = read_predictions_frame(folder), {}
    for own in read(folder).results:
        rows = frame[(frame["target"] == own.target) & (frame["setting"] == own.setting)]
        others = set(probability_columns(classes_of(frame))) - set(probability_columns(own.classes))
        try:
            found[own.target, own.setting] = Predictions.from_frame(rows.drop(columns=list(others)))
        except UsageError as error:
            raise ResultsError(folder / PREDICTIONS, f"{error} {_again(folder)}") from error
    return found


def read_predictions_frame(folder: Path) -> pd.DataFrame:
    """Return the rows of `predictions.csv`; raises `ResultsError` if it is missing or broken."""
    try:
        frame = read_frame(folder / PREDICTIONS, _TASK)
        classes_of(frame)
    except (OSError, ValueError) as error:  # pandas' errors of parsing are ValueErrors
        raise ResultsError(folder / PREDICTIONS, f"{error}. {_again(folder)}") from error
    return frame


def _again(folder: Path) -> str:
    return f"Run `sercl layer-probe -c {folder}/config.yaml --out {folder} --overwrite` to write it again."


def read(folder: Path) -> LayerProbe:
    """Read the `results.json` that `save` wrote.

    Raises:
        ResultsError: If it is missing or broken.
    """
    path = folder / RESULTS
    advice = _again(folder)
    return as_record(with_nan(read_content(path, advice), LayerProbe), LayerProbe, path, advice)


def describe_folds(folds: Folds, data: EmotionDataModule) -> dict[str, Any]:
    """Return what the folds hold, as plain data: per corpus its scheme, counts and notes."""
    return {name: _describe([fold[name] for fold in folds], data.classes) for name in folds[0]}


def _describe(folds: Sequence[Fold], classes: Sequence[str]) -> dict[str, Any]:
    every = {item.id: item for fold in folds for part in fold.parts.values() for item in part}
    scheme = folds[0].labels
    indices = [scheme.index(item.emotion) for item in every.values()]
    return {
        "corpus": " + ".join(dict.fromkeys(item.corpus for item in every.values())),
        "scheme": folds[0].scheme,
        "folds": len(folds),
        "utterances": len(every),
        "classes": {name: indices.count(index) for index, name in enumerate(classes)},
        "speakers": sorted({item.speaker for item in every.values() if item.speaker is not None}),
        "languages": sorted({item.language for item in every.values()}),
        "notes": _fold_notes(folds),
    }


def _fold_notes(folds: Sequence[Fold]) -> list[str]:
    """Return the notes common to all folds, then those of some, each once with their folds."""
    merged = merged_notes((str(fold.index), fold.notes) for fold in folds)
    return [f"fold{'s' * (len(own) > 1)} {', '.join(own)}: {note}" if own else note for own, note in merged]


def _settings(data: EmotionDataModule, options: LayerProbeOptions) -> list[str]:
    own = data.report.setting
    if own is None:
        if options.setting_names:
            raise UsageError(
                f"--probe.settings {options.settings}: settings are those of two corpora. Give --data "
                "LanguagePair with a source and a target, or leave them out."
            )
        return [MONOLINGUAL]
    for name in (names := options.setting_names or [own]):
        if name not in ONE_STAGE:
            raise UnknownNameError("setting of a layer probe", name, ONE_STAGE, "Give --probe.settings.")
    return names


def _parts(
    folds: Folds, data: EmotionDataModule, setting: str, by_corpus: bool
) -> list[Mapping[str, Sequence[Utterance]]]:
    if set(folds[0]) != set(ROLES):
        return [next(iter(fold.values())).parts for fold in folds]
    select_on = data.report.select_on if setting == ZERO_SHOT else SOURCE
    plan = plans_for(setting, select_on or SOURCE)["train"]._asdict()
    parts = [{part: fold[role].parts[part] for part, role in plan.items()} for fold in folds]
    if not by_corpus or plan["train"] == plan["test"]:
        return list(parts)
    return [{**own, UNLABELLED: fold[TARGET].parts["train"]} for own, fold in zip(parts, folds, strict=True)]


def _joined(fold: Mapping[str, Fold]) -> dict[str, list[Utterance]]:
    return {part: list(chain.from_iterable(own.parts[part] for own in fold.values())) for part in PARTS}


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    return list(dict.fromkeys(names))


def _write_rows(path: Path, rows: Sequence[ScoreRow]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with open_text(path) as file:
        writer = CsvWriter(file)
        writer.writerow(columns)
        writer.writerows([row.get(column, "") for column in columns] for row in rows)
