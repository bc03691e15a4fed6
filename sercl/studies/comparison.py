"""Compare two runs or two studies: the settings that differ, and their scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sercl.documents import read_json, read_yaml
from sercl.errors import DocumentError, ResultsError, UsageError
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.cross_eval.predictions import read_predictions as read_study_predictions
from sercl.studies.cross_eval.study_file import NAME as STUDY
from sercl.studies.cross_eval.study_file import read_study
from sercl.studies.results.paired import Paired, compare, correct, count_votes
from sercl.studies.results.predictions import Predictions, read_csv
from sercl.studies.results.scores import Score, score_confusions

PREDICTIONS = "predictions.csv"
RESULTS = "results.json"
_AGAIN = "Run `sercl test --ckpt CHECKPOINT --out {folder}` to write it again."


@dataclass(frozen=True)
class FinishedRun:
    """A run of `sercl fit` or `sercl test`, or a study of `sercl cross-eval`.

    Attributes:
        folder: Where it lies.
        is_study: Whether it is a study.
        classes: Class names in class order.
        predictions: For a study by condition, for a run under the key None.
        settings: File -> (option -> value): its configuration, and the settings in its results, if it has
            these files.
    """

    folder: Path
    is_study: bool
    classes: tuple[str, ...]
    predictions: Mapping[Condition | None, Predictions]
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
    """Return whether a results file is of a diarizer; a broken file is reported where it is needed."""
    try:
        content = read_json(path)
    except DocumentError:
        return False
    return isinstance(content, dict) and "systems" in content


def read_predictions(path: Path) -> Predictions:
    """Read the predictions of one run.

    Raises:
        ResultsError: Where the file is broken.
    """
    try:
        return read_csv(path)
    except (OSError, ValueError) as error:  # pandas' errors of parsing are ValueErrors
        again = _AGAIN.format(folder=path.parent)
        raise ResultsError(path, f"{error}. {again}") from error


def _read_run(folder: Path) -> FinishedRun:
    predictions = read_predictions(folder / PREDICTIONS)
    readers = {"config.yaml": _configured, RESULTS: _told}
    settings = _settings(folder, readers)
    return FinishedRun(folder, False, predictions.classes, {None: predictions}, settings)


def _read_study(folder: Path) -> FinishedRun:
    study = read_study(folder)
    found = read_study_predictions(folder, study)
    complete: dict[Condition | None, Predictions] = {name: own.complete() for name, own in found.items()}
    return FinishedRun(folder, True, study.classes, complete, _settings(folder, {"study.yaml": _configured}))


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


ABSENT = "(not set)"


@dataclass(frozen=True)
class Change:
    """An option that differs; a side without it has `ABSENT`."""

    option: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Compared:
    """The scores of one condition, or of a run's test.

    Attributes:
        condition: The condition of two studies, None for two runs.
        first: Scores of the first, on everything that it was tested on.
        second: Scores of the second.
        paired: UAR of the second minus that of the first, on the utterances that both were tested on.
        only_first: Utterances that only the first was tested on.
        only_second: Utterances that only the second was tested on.
    """

    condition: Condition | None
    first: Mapping[str, Score]
    second: Mapping[str, Score]
    paired: Paired
    only_first: int
    only_second: int


@dataclass(frozen=True)
class RunComparison:
    """Two runs or studies.

    Attributes:
        folders: Where they lie.
        classes: Class names.
        settings_file: The file whose settings are compared: one that both have; None without such a file.
        changes: Options that differ.
        rows: The conditions that both have.
        only_first: Conditions that only the first has a score of.
        only_second: Conditions that only the second has a score of.
    """

    folders: tuple[Path, Path]
    classes: tuple[str, ...]
    settings_file: str | None
    changes: tuple[Change, ...]
    rows: tuple[Compared, ...]
    only_first: tuple[Condition, ...]
    only_second: tuple[Condition, ...]


def compare_folders(first: Path, second: Path) -> RunComparison:
    """Compare two runs of `sercl fit` or `sercl test`, or two studies of `sercl cross-eval`.

    Args:
        first: Folder of the one, the earlier or plainer.
        second: Folder of the other; a positive difference means that it is better.

    Raises:
        UsageError: If a folder is not a run, or they differ in kind or classes, or share no utterance.
        ResultsError: Where a file is broken.
    """
    one, two = read_finished(first), read_finished(second)
    _check(one, two)
    shared = [condition for condition in one.predictions if condition in two.predictions]
    rows = [_compared(condition, one, two) for condition in shared]
    if not any(row.paired.utterances for row in rows):
        raise UsageError(_nothing_shared(one, two, len(shared)))
    corrected = correct([row.paired for row in rows])
    file = next((name for name in one.settings if name in two.settings), None)
    return RunComparison(
        folders=(first, second),
        classes=one.classes,
        settings_file=file,
        changes=changes(one.settings[file], two.settings[file]) if file else (),
        rows=tuple(replace(row, paired=own) for row, own in zip(rows, corrected, strict=True)),
        only_first=tuple(
            item for item in one.predictions if item is not None and item not in two.predictions
        ),
        only_second=tuple(
            item for item in two.predictions if item is not None and item not in one.predictions
        ),
    )


def changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return every option whose value differs, in the order of the first."""
    names = dict.fromkeys([*first, *second])
    found = (Change(name, first.get(name, ABSENT), second.get(name, ABSENT)) for name in names)
    return tuple(change for change in found if change.first != change.second)


def _check(one: FinishedRun, two: FinishedRun) -> None:
    if one.is_study != two.is_study:
        kinds = {True: "a study", False: "a run"}
        raise UsageError(
            f"{one.folder} is {kinds[one.is_study]}, {two.folder} is {kinds[two.is_study]}. Give two runs or "
            "two studies."
        )
    if one.classes != two.classes:
        raise UsageError(
            f"the classes differ, so the scores cannot be compared: {one.folder} has "
            f"{', '.join(one.classes)}; {two.folder} has {', '.join(two.classes)}. Train one of them again "
            "with the --data.labels of the other."
        )


def _nothing_shared(one: FinishedRun, two: FinishedRun, shared: int) -> str:
    if one.is_study and not shared:
        return (
            f"{one.folder} and {two.folder} share no condition (encoder, adapter, setting, corpora, "
            "selection, adaptation, shots). Compare studies with corpora and encoders of the same names."
        )
    return (
        f"{one.folder} and {two.folder} share no tested utterance with the same true class, so they cannot "
        "be compared. Test both on the same fold of the same corpus: `sercl test --ckpt FILE --out FOLDER`."
    )


def _compared(condition: Condition | None, one: FinishedRun, two: FinishedRun) -> Compared:
    first, second = one.predictions[condition], two.predictions[condition]
    ids = set(first.utterance), set(second.utterance)
    return Compared(
        condition=condition,
        first=_scores(first),
        second=_scores(second),
        paired=compare(count_votes(second), count_votes(first)),
        only_first=len(ids[0] - ids[1]),
        only_second=len(ids[1] - ids[0]),
    )


def _scores(own: Predictions) -> dict[str, Score]:
    return score_confusions(own.confusions(), own.classes, own.unit_name)
