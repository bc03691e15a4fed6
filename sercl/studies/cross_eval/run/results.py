"""Results of each test in a folder named by its address, and how they become the files of the study."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sercl.corpora.folds.lists import list_name
from sercl.documents import read_parquet
from sercl.errors import DocumentError, ResultsError
from sercl.files import CsvWriter, atomic_path, open_text, write_text
from sercl.studies.cross_eval.cells import (
    Cell,
    CellRecord,
    ForgettingRecord,
    Study,
    StudyCorpus,
    StudyEncoder,
)
from sercl.studies.cross_eval.plan.planner import Plan, PlannedCell, PlannedForgetting
from sercl.studies.cross_eval.plan.trainings import Subset
from sercl.studies.cross_eval.study_file import (
    FORGETTING,
    PREDICTIONS,
    TIMES,
    cell_table,
    forgetting_table,
    write_forgetting,
    write_predictions,
    write_study,
)
from sercl.studies.results.predictions import (
    Predictions,
    known_of,
    known_values,
    predicts_one_class,
    schema,
)
from sercl.studies.results.records import as_record, read_content

FORMAT = 3
"""Version of the file format."""

_READ = (2, FORMAT)
"""Versions that are read; results of another one are computed again."""

CELLS = "cells"
RECORD = "cell.json"
_ADVICE = "Remove this folder and run `sercl cross-eval` again: it is computed again."


@dataclass(frozen=True)
class CellResult:
    """Record of one test and its training.

    Attributes:
        training: Address of the training.
        layer: Hidden state used; None for a weighted sum.
        epochs: Epochs run, of all stages.
        early_stopped: Whether early stopping ended training; with two stages, the last.
        seconds: Time of the training; its share if many ran at once.
        trained: Utterances per epoch.
        notes: Sentences to show with the result.
        c: The chosen C of a logistic regression on a frozen encoder.
    """

    training: str
    layer: int | None
    epochs: int
    early_stopped: bool
    seconds: float
    trained: int
    notes: tuple[str, ...] = ()
    c: float | None = None


def cell_folder(folder: Path, address: str) -> Path:
    """Return the folder of the results of an address in the folder of a study."""
    return folder / CELLS / address


def write_result(folder: Path, address: str, predictions: Predictions, result: CellResult) -> None:
    """Save a test's predictions; they are valid once the record is written beside them.

    Args:
        folder: Folder of the study.
        address: Address of the test.
        predictions: Of every utterance of the test, in its order.
        result: Its record.

    Raises:
        OutputError: If it cannot be written.
    """
    own_folder = cell_folder(folder, address)
    with atomic_path(own_folder / PREDICTIONS) as temporary:
        pq.write_table(predictions.table(), temporary)
    text = json.dumps({"format": FORMAT, "address": address, **asdict(result)}, indent=1)
    write_text(own_folder / RECORD, text + "\n")


def predictions_of(
    test: Subset, probabilities: NDArray[np.float64] | Sequence[Sequence[float]], classes: Sequence[str]
) -> Predictions:
    """Return a model's probabilities on a test, `[utterances, classes]` in its order, in single precision."""
    items, values = test.split.utterances, np.asarray(probabilities, dtype=np.float32)
    speakers = [item.speaker for item in items]
    return Predictions.of_one_run(classes, [item.id for item in items], speakers, test.split.labels, values)


def read_result(folder: Path, address: str) -> CellResult | None:
    """Read the record of a test; None unless its results are complete and in a supported version.

    Raises:
        ResultsError: If the record is broken.
    """
    own_folder = cell_folder(folder, address)
    if not ((own_folder / RECORD).is_file() and (own_folder / PREDICTIONS).is_file()):
        return None
    content = read_content(own_folder / RECORD, _ADVICE)
    if content.get("format") not in _READ:
        return None
    return as_record(content, CellResult, own_folder / RECORD, _ADVICE)


class CellResults:
    """The records of a study's tests, each read once.

    A record is written whole and never changed, so one that was found is kept; others are looked for again,
    since other processes write them while the study runs.

    Args:
        folder: Folder of the study.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._found: dict[str, CellResult] = {}

    def get(self, address: str) -> CellResult | None:
        """Return the record of a test, None unless it is done; raises as `read_result`."""
        if address not in self._found and (result := read_result(self.folder, address)) is not None:
            self._found[address] = result
        return self._found.get(address)


def read_predictions(folder: Path, address: str, classes: Sequence[str]) -> pa.Table:
    """Read a test's predictions, a table with the columns of `sercl.studies.results.predictions`.

    Raises:
        ResultsError: If the file is missing or broken.
    """
    path = cell_folder(folder, address) / PREDICTIONS
    try:
        return _renewed(read_parquet(path), classes).select(schema(classes).names).cast(schema(classes))
    except (OSError, DocumentError, KeyError, ValueError, pa.ArrowException) as error:
        raise ResultsError(path, f"{error}. {_ADVICE}") from error


def _renewed(table: pa.Table, classes: Sequence[str]) -> pa.Table:
    """Return a table of format 2 (`truth` as a number, `p0`, `p1`, ...) with the columns of today."""
    if "p0" not in table.column_names:
        return table
    probabilities = np.column_stack([table[f"p{index}"].to_numpy() for index in range(len(classes))])
    utterances, speakers, truth = (table[name].to_pylist() for name in ("utterance", "speaker", "truth"))
    return Predictions.of_one_run(classes, utterances, speakers, truth, probabilities).table()


def collect(
    plan: Plan,
    results: CellResults,
    failures: Mapping[str, str],
    corpora: Mapping[str, StudyCorpus],
    encoders: Mapping[str, StudyEncoder],
    label_map: Mapping[str, Sequence[str]],
    environment: Mapping[str, Any],
    seconds: float,
) -> Study:
    """Write `study.json`, the files of predictions, and the lists of what was trained and tested.

    Args:
        plan: All cells.
        results: Results in the folder of the study.
        failures: Address -> error, of cells that failed in this run.
        corpora: Entries of the corpora.
        encoders: Entries of the encoders.
        label_map: Class -> emotions that belong to it.
        environment: Versions and command line.
        seconds: Wall-clock time of all runs into the folder.

    Returns:
        The study, as it is read from its file.

    Raises:
        ResultsError: If a result is broken.
        OutputError: If a file cannot be written.
    """
    classes, folder = tuple(label_map), results.folder
    records = [_record(item, results, failures, classes) for item in plan.cells]
    done = [item for item, record in zip(plan.cells, records, strict=True) if record.status == "done"]
    known = known_in(plan)
    tables = (_table(item, folder, classes, known) for item in done)
    write_predictions(tables, classes, folder / PREDICTIONS, known)
    forgetting = [_forgetting(item, results, failures) for item in plan.forgetting]
    _write_forgetting(forgetting, folder, classes)
    study = Study(
        classes=classes,
        label_map={name: tuple(emotions) for name, emotions in label_map.items()},
        corpora=dict(corpora),
        encoders=dict(encoders),
        created=datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
        seconds=seconds,
        environment=environment,
        warnings=plan.remarks,
        records=tuple(records),
        forgetting=tuple(forgetting),
    )
    _write_lists(plan, folder)
    return write_study(study, folder)


def _record(
    item: PlannedCell, results: CellResults, failures: Mapping[str, str], classes: Sequence[str]
) -> CellRecord:
    address = item.address
    result = results.get(address)
    if result is None:
        error = failures.get(address)
        return CellRecord(item.cell, address, status="missing" if error is None else "failed", error=error)
    return CellRecord(
        cell=item.cell,
        address=address,
        layer=result.layer,
        epochs=result.epochs,
        early_stopped=result.early_stopped,
        seconds=round(result.seconds, 3),
        parts=item.parts,
        shared_speakers=item.shared_speakers,
        one_class=_one_class(read_predictions(results.folder, address, classes)),
        notes=(*item.notes, *result.notes),
        c=result.c,
    )


def _forgetting(
    item: PlannedForgetting, results: CellResults, failures: Mapping[str, str]
) -> ForgettingRecord:
    before, after = item.addresses
    missing = [address for address in item.addresses if results.get(address) is None]
    error = next((failures[address] for address in missing if address in failures), None)
    status = "done" if not missing else "missing" if error is None else "failed"
    return ForgettingRecord(
        cell=item.cell,
        corpus=item.test.corpus,
        before=before,
        after=after,
        status=status,
        error=error,
        utterances=len(item.test),
        shared_speakers=item.shared_speakers,
        notes=item.notes,
    )


def _write_forgetting(records: Sequence[ForgettingRecord], folder: Path, classes: Sequence[str]) -> None:
    done = [record for record in records if record.status == "done"]
    if not done:
        (folder / FORGETTING).unlink(missing_ok=True)
        return
    tables = (
        forgetting_table(record, when, read_predictions(folder, address, classes), classes)
        for record in done
        for when, address in zip(TIMES, (record.before, record.after), strict=True)
    )
    write_forgetting(tables, classes, folder / FORGETTING)


def _one_class(predictions: pa.Table) -> str | None:
    predicted = predictions["predicted"].to_pylist()
    return predicted[0] if predicts_one_class(predictions["truth"].to_pylist(), predicted) else None


def known_in(plan: Plan) -> list[str]:
    """Return the columns of what is known of any corpus's test utterances."""
    return list(known_of(list(chain.from_iterable(plan.tested))))


def has_known(path: Path, plan: Plan) -> bool:
    """Return whether a file of predictions has these columns; earlier versions did not write them."""
    try:
        return set(known_in(plan)) <= set(pq.read_schema(path).names)
    except pa.ArrowException:  # a damaged file is written again
        return False


def _table(item: PlannedCell, folder: Path, classes: Sequence[str], known: Sequence[str]) -> pa.Table:
    own = read_predictions(folder, item.address, classes)
    every = {utterance.id: utterance for utterance in item.test.split.utterances}
    tested = [every[id] for id in own["utterance"].to_pylist()]
    values = {name: known_values(tested, name) for name in known}
    return cell_table(item.cell, item.address, own, classes, values)


def _write_lists(plan: Plan, folder: Path) -> None:
    """Write the lists of the first cell of each condition, fold and draw: other seeds have the same lists."""
    seen = set()
    sources: dict[Cell, list[Subset]] = {}
    for source in plan.forgetting:
        sources.setdefault(source.cell, []).append(source.test)
    for item in plan.cells:
        key = (item.cell.condition, item.cell.fold, item.cell.draw)
        own_folder = cell_folder(folder, item.address)
        if key not in seen and own_folder.is_dir():
            seen.add(key)
            own = {"source-test": sources[item.cell]} if item.cell in sources else {}
            for name, subsets in {**_lists(item), **own}.items():
                path = own_folder / "folds" / f"{name}.csv"
                if not path.is_file():
                    _write_list(subsets, path)


def _lists(item: PlannedCell) -> dict[str, Sequence[Subset]]:
    lists: dict[str, Sequence[Subset]] = {}
    for step in item.training.chain:
        prefix = "" if step is item.training else "source-"
        lists |= {f"{prefix}train": step.train, f"{prefix}validation": step.validation}
    if item.training.unlabelled is not None:
        lists["unlabelled"] = [item.training.unlabelled]
    return lists | {"test": [item.test]}


def _write_list(subsets: Sequence[Subset], path: Path) -> None:
    with open_text(path) as file:
        writer = CsvWriter(file)
        writer.writerow(["file", "answer", "corpus"])
        for subset in subsets:
            for utterance in subset.split.utterances:
                writer.writerow([list_name(utterance), utterance.emotion, subset.corpus])
