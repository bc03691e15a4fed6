"""The files of finished runs and studies: their predictions and settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sercl.documents import read_json, read_yaml
from sercl.errors import DocumentError, ResultsError, UsageError
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.cross_eval.study_file import STUDY, read_study
from sercl.studies.cross_eval.study_file import read_predictions as read_study_predictions
from sercl.studies.results.predictions import AGAIN, PREDICTIONS, Predictions, read_csv
from sercl.studies.results.records import CONFIG, DIARIZATION, PROBE, RESULTS, kind_of


@dataclass(frozen=True)
class FinishedRun:
    """A run of `sercl fit` or `sercl test`, a layer probe of one task, or a study of `sercl cross-eval`.

    Attributes:
        folder: Its folder.
        is_study: Whether it is a study.
        classes: Class names in class order.
        predictions: For a study by condition, else under the key None.
        settings: File -> (option -> value): its configuration, and the settings in its results, if it has
            these files.
    """

    folder: Path
    is_study: bool
    classes: tuple[str, ...]
    predictions: Mapping[Condition | None, Predictions]
    settings: Mapping[str, Mapping[str, Any]]


def read_finished(folder: Path) -> FinishedRun:
    """Read a run, a layer probe or a study.

    Raises:
        UsageError: If the folder is none of them, or for a layer probe of several targets or settings.
        ResultsError: If one of its files is missing or broken.
    """
    if (folder / STUDY).is_file():
        return _read_study(folder)
    if (folder / PREDICTIONS).is_file():
        _refuse_several_tasks(folder)
        return _read_run(folder)
    if (folder / RESULTS).is_file():
        _refuse_without_predictions(folder)
    found = "is a file, not a folder" if folder.is_file() else "no such folder"
    reason = f"holds neither {PREDICTIONS} nor {STUDY}" if folder.is_dir() else found
    raise UsageError(
        f"{folder}: {reason}. Give the folder of a finished `sercl fit`, `sercl test --out`, "
        "`sercl layer-probe` or `sercl cross-eval`."
    )


def _refuse_without_predictions(folder: Path) -> None:
    """Raise `UsageError` for results that never have predictions of utterances; broken ones are left."""
    try:
        content = read_json(folder / RESULTS)
    except DocumentError:
        return
    if isinstance(content, dict) and content.get("scores", {}) is None:
        raise UsageError(
            f"{folder}: a model that is trained on everything, without predictions of its own. Compare the "
            f"folds that chose its settings: {folder.parent}."
        )
    if kind_of(content) == DIARIZATION:
        raise UsageError(
            f"{folder}: a run of `sercl diarize`, which has no predictions of utterances to compare. Score "
            "both diarizers on the same recordings, one after the other: `sercl diarize evaluate CHECKPOINT "
            "--data CORPUS --data.root DIR`."
        )


def _refuse_several_tasks(folder: Path) -> None:
    """Raise `UsageError` for a layer probe whose predictions are of several targets or settings."""
    try:
        content = read_json(folder / RESULTS) if (folder / RESULTS).is_file() else {}
    except DocumentError:
        return  # the predictions are read, not this file
    if kind_of(content) == PROBE and len(content["results"]) > 1:
        tasks = "; ".join(f"{own['target']}, {own['setting']}" for own in content["results"])
        raise UsageError(
            f"{folder}: a layer probe of several targets or settings ({tasks}). Compare probes of one, or "
            f"read the groups of each with sercl.read_results({str(folder)!r}, group_by=[COLUMN]).groups."
        )


def read_predictions(path: Path) -> Predictions:
    """Read the predictions of one run.

    Raises:
        ResultsError: If the file is broken.
    """
    try:
        return read_csv(path)
    except (OSError, ValueError) as error:  # pandas' errors of parsing are ValueErrors
        again = AGAIN.format(folder=path.parent)
        raise ResultsError(path, f"{error}. {again}") from error


def _read_run(folder: Path) -> FinishedRun:
    predictions = read_predictions(folder / PREDICTIONS)
    return FinishedRun(folder, False, predictions.classes, {None: predictions}, settings_in(folder))


def _read_study(folder: Path) -> FinishedRun:
    study = read_study(folder)
    found = read_study_predictions(folder, study)
    complete: dict[Condition | None, Predictions] = {name: own.complete() for name, own in found.items()}
    return FinishedRun(folder, True, study.classes, complete, settings_in(folder))


def settings_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Return file -> (option -> value) of the files in a folder with settings, the most complete first.

    Raises:
        ResultsError: If one is broken.
    """
    return {name: read(folder / name) for name, read in SETTINGS.items() if (folder / name).is_file()}


def _configured(path: Path) -> dict[str, Any]:
    try:
        return {_option(name): value for name, value in _flat(read_yaml(path)).items()}
    except DocumentError as error:
        raise ResultsError(path, f"{error}. Take it from the run again, or remove it.") from error


def _option(name: str) -> str:
    """Return the model's option of a name, whether or not its class is the user's own."""
    plain = name.replace(".init_args.", ".").removesuffix(".class_path")
    return plain if name.startswith("model.") else name


def _settings_in_results(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
        if kind_of(found) == PROBE:
            kept = {"data": {"name": found["name"]}, "model": {"encoder": found["encoder"]["name"]}}
        else:
            kept = {"data": {"name": found["data"]["name"]}, "model": found["model"]}
        return _flat({**kept, "seed_everything": found["environment"]["seed"]})
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            path, f"is not a valid results file ({error!r}). {AGAIN.format(folder=path.parent)}"
        ) from error


def _flat(content: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested options as dotted names, such as "model.optimizer.head_lr"."""
    if not isinstance(content, dict) or not content:
        return {prefix: content} if prefix else {}
    parts = (_flat(value, f"{prefix}.{key}" if prefix else str(key)) for key, value in content.items())
    return {name: value for part in parts for name, value in part.items()}


SETTINGS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    CONFIG: _configured,
    "study.yaml": _configured,
    RESULTS: _settings_in_results,
}
"""File with settings -> its reader, the most complete first."""
