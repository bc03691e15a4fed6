"""What is kept of each test: its predictions, and how its training went, in a folder named by its address."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sercl.documents import read_parquet
from sercl.errors import DocumentError, ResultsError
from sercl.files import atomic_path, write_text
from sercl.studies.cross_eval.plan.shares import Share
from sercl.studies.results.predictions import Predictions, schema
from sercl.studies.results.records import read_content, read_record

FORMAT = 3
"""Version of the files' shape."""

_READ = (2, FORMAT)
"""Versions that are read; results of another one are computed again."""

CELLS = "cells"
RECORD = "cell.json"
PREDICTIONS = "predictions.parquet"
LOG = "log.txt"
_ADVICE = "Remove this folder and run `sercl cross-eval` again: it is computed anew."


@dataclass(frozen=True)
class CellResult:
    """How one test came about.

    Attributes:
        training: Address of the training.
        layer: Hidden state that is read; None for a weighted sum.
        epochs: Epochs run, of all stages.
        early_stopped: Whether early stopping ended training; with two stages, the last.
        seconds: Time of the training, its part where many ran at once.
        trained: Utterances of an epoch.
        notes: Sentences that must stand beside the result.
    """

    training: str
    layer: int | None
    epochs: int
    early_stopped: bool
    seconds: float
    trained: int
    notes: tuple[str, ...] = ()


def cell_folder(folder: Path, address: str) -> Path:
    """Return where the results of an address lie in the folder of a study."""
    return folder / CELLS / address


def write_result(folder: Path, address: str, predictions: Predictions, result: CellResult) -> None:
    """Keep a test's predictions; they count once the record stands beside them.

    Args:
        folder: Folder of the study.
        address: Address of the test.
        predictions: Of every utterance of the test, in its order.
        result: How it came about.

    Raises:
        OutputError: Where it cannot be written.
    """
    place = cell_folder(folder, address)
    with atomic_path(place / PREDICTIONS) as temporary:
        pq.write_table(predictions.table(), temporary)
    text = json.dumps({"format": FORMAT, "address": address, **asdict(result)}, indent=1)
    write_text(place / RECORD, text + "\n")


def predictions_of(
    test: Share, probabilities: NDArray[np.float64] | Sequence[Sequence[float]], classes: Sequence[str]
) -> Predictions:
    """Return what a model predicts of a test, `[utterances, classes]` in its order, in single precision."""
    items, shares = test.split.utterances, np.asarray(probabilities, dtype=np.float32)
    speakers = [item.speaker for item in items]
    return Predictions.of_one_run(classes, [item.id for item in items], speakers, test.split.labels, shares)


def is_done(folder: Path, address: str) -> bool:
    """Say whether the results of an address are there, whole and of this version."""
    place = cell_folder(folder, address)
    if not ((place / RECORD).is_file() and (place / PREDICTIONS).is_file()):
        return False
    return read_content(place / RECORD, _ADVICE).get("format") in _READ


def read_result(folder: Path, address: str) -> CellResult:
    """Read how a test came about.

    Raises:
        ResultsError: Where its record is missing or broken.
    """
    return read_record(cell_folder(folder, address) / RECORD, CellResult, _ADVICE)


def read_predictions(folder: Path, address: str, classes: Sequence[str]) -> pa.Table:
    """Read a test's predictions, a table with the columns of `sercl.studies.results.predictions`.

    Raises:
        ResultsError: Where the file is missing or broken.
    """
    path = cell_folder(folder, address) / PREDICTIONS
    try:
        return _renewed(read_parquet(path), classes).select(schema(classes).names).cast(schema(classes))
    except (OSError, DocumentError, KeyError, pa.ArrowException) as error:
        raise ResultsError(path, f"{error}. {_ADVICE}") from error


def _renewed(table: pa.Table, classes: Sequence[str]) -> pa.Table:
    """Return a table of format 2 (`truth` as a number, `p0`, `p1`, ...) with the columns of today."""
    if "p0" not in table.column_names:
        return table
    shares = np.column_stack([table[f"p{index}"].to_numpy() for index in range(len(classes))])
    utterances, speakers, truth = (table[name].to_pylist() for name in ("utterance", "speaker", "truth"))
    return Predictions.of_one_run(classes, utterances, speakers, truth, shares).table()
