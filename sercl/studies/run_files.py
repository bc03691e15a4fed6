"""What a finished run or study left in its folder, read back for a comparison."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sercl.documents import read_json, read_yaml
from sercl.errors import DocumentError, ResultsError, UsageError
from sercl.studies.answers import Answers, complete
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.cross_eval.read import read_answers
from sercl.studies.cross_eval.study_file import NAME as STUDY
from sercl.studies.cross_eval.study_file import read_study

PREDICTIONS = "predictions.csv"
RESULTS = "results.json"
_FIRST_COLUMNS = ("id", "speaker", "truth", "predicted")
_AGAIN = "Run `sercl test --ckpt CHECKPOINT --out {folder}` to write it again."


@dataclass(frozen=True)
class FinishedRun:
    """A run of `sercl fit` or `sercl test`, or a study of `sercl cross-eval`.

    Attributes:
        folder: Where it lies.
        is_study: Whether it is a study.
        classes: Class names in class order.
        answers: What was answered: of a study by condition, of a run under the key None.
        settings: File -> (option -> value): its configuration, and what its results tell of it, as far as
            it has these files.
    """

    folder: Path
    is_study: bool
    classes: tuple[str, ...]
    answers: Mapping[Condition | None, Answers]
    settings: Mapping[str, Mapping[str, Any]]


def read_finished(folder: Path) -> FinishedRun:
    """Read a run or a study.

    Raises:
        UsageError: Where the folder is neither.
        ResultsError: Where one of its files is missing or broken.
    """
    if (folder / STUDY).is_file():
        return _read_study(folder)
    if (folder / PREDICTIONS).is_file():
        return _read_run(folder)
    if (folder / RESULTS).is_file() and _is_diarization(folder / RESULTS):
        raise UsageError(
            f"{folder}: a run of `sercl diarize`, which has no predictions of utterances to compare. Score "
            "both diarizers on the same recordings, one after the other: `sercl diarize evaluate CHECKPOINT "
            "--data CORPUS --data.root DIR`."
        )
    reason = f"holds neither {PREDICTIONS} nor {STUDY}" if folder.is_dir() else "no such folder"
    raise UsageError(
        f"{folder}: {reason}. Give the folder of a finished `sercl fit`, `sercl test --out` or "
        "`sercl cross-eval`."
    )


def _is_diarization(path: Path) -> bool:
    """Return whether a results file is of a diarizer; what is broken is said where it is needed."""
    try:
        content = read_json(path)
    except DocumentError:
        return False
    return isinstance(content, dict) and "systems" in content


def read_predictions(path: Path) -> tuple[Answers, tuple[str, ...]]:
    """Read the predictions of one run, and its classes.

    Raises:
        ResultsError: Where the file is broken.
    """
    again = _AGAIN.format(folder=path.parent)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            head = next(reader, [])
            rows = [row for row in reader if row]
    except (OSError, ValueError, csv.Error) as error:
        raise ResultsError(path, f"cannot be read ({error}). {again}") from error
    classes = tuple(head[len(_FIRST_COLUMNS) :])
    if tuple(head[: len(_FIRST_COLUMNS)]) != _FIRST_COLUMNS or not classes or not rows:
        raise ResultsError(
            path, f"holds no predictions with {', '.join(_FIRST_COLUMNS)} and classes. {again}"
        )
    try:
        return _answers(rows, classes), classes
    except (ValueError, IndexError) as error:
        raise ResultsError(path, f"has a row that is not a prediction ({error}). {again}") from error


def _read_run(folder: Path) -> FinishedRun:
    answers, classes = read_predictions(folder / PREDICTIONS)
    readers = {"config.yaml": _configured, RESULTS: _told}
    return FinishedRun(folder, False, classes, {None: answers}, _settings(folder, readers))


def _read_study(folder: Path) -> FinishedRun:
    study = read_study(folder)
    found = read_answers(folder, study)
    answers: dict[Condition | None, Answers] = {name: complete(item) for name, item in found.items()}
    return FinishedRun(folder, True, study.classes, answers, _settings(folder, {"study.yaml": _configured}))


def _answers(rows: Sequence[Sequence[str]], classes: Sequence[str]) -> Answers:
    count = len(rows)
    columns = list(zip(*rows, strict=True))
    names = np.array([name or None for name in columns[1]], dtype=object)
    return Answers(
        runs=((0, 0),),
        run=np.zeros(count, dtype=np.int64),
        fold=np.zeros(count, dtype=np.int64),
        utterance=np.array(columns[0], dtype=object),
        speaker=names,
        truth=np.array([_index(name, classes) for name in columns[2]]),
        predicted=np.array([_index(name, classes) for name in columns[3]]),
        probabilities=np.array(columns[len(_FIRST_COLUMNS) :], dtype=np.float64).T.reshape(
            count, len(classes)
        ),
    )


def _index(name: str, classes: Sequence[str]) -> int:
    if name not in classes:
        raise ValueError(f"{name!r} is none of the classes {', '.join(classes)}")
    return classes.index(name)


def _settings(
    folder: Path, readers: Mapping[str, Callable[[Path], dict[str, Any]]]
) -> dict[str, dict[str, Any]]:
    return {name: read(folder / name) for name, read in readers.items() if (folder / name).is_file()}


def _configured(path: Path) -> dict[str, Any]:
    try:
        return _flat(read_yaml(path))
    except DocumentError as error:
        raise ResultsError(path, f"{error}. Take it from the run again, or remove it.") from error


def _told(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
        kept = {"data": {"name": found["data"]["name"]}, "model": found["model"]}
        return _flat({**kept, "seed_everything": found["environment"]["seed"]})
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            path, f"is not a valid results file ({error!r}). {_AGAIN.format(folder=path.parent)}"
        ) from error


def _flat(content: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested options as dotted names, such as "model.optimizer.head_lr"."""
    if not isinstance(content, dict) or not content:
        return {prefix: content} if prefix else {}
    parts = (_flat(value, f"{prefix}.{key}" if prefix else str(key)) for key, value in content.items())
    return {name: value for part in parts for name, value in part.items()}
