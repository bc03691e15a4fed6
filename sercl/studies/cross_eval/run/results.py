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
from sercl.studies.results.json_content import JsonContent

FORMAT = 2
"""Version of the files' shape; results of another one are computed again."""

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


def write_result(
    folder: Path,
    address: str,
    test: Share,
    probabilities: NDArray[np.float64] | Sequence[Sequence[float]],
    result: CellResult,
) -> None:
    """Keep a test's predictions; they count once the record stands beside them.

    Args:
        folder: Folder of the study.
        address: Address of the test.
        test: What was tested.
        probabilities: `[utterances, classes]` in the order of the test.
        result: How it came about.

    Raises:
        OutputError: Where it cannot be written.
    """
    place, split = cell_folder(folder, address), test.split
    shares = np.asarray(probabilities, dtype=np.float32)
    columns = {
        "utterance": pa.array([item.id for item in split.utterances], pa.string()),
        "speaker": pa.array([item.speaker for item in split.utterances], pa.string()),
        "truth": pa.array(split.labels, pa.int32()),
        **{f"p{index}": pa.array(column) for index, column in enumerate(shares.T)},
    }
    with atomic_path(place / PREDICTIONS) as temporary:
        pq.write_table(pa.table(columns), temporary)
    text = json.dumps({"format": FORMAT, "address": address, **asdict(result)}, indent=1)
    write_text(place / RECORD, text + "\n")


def is_done(folder: Path, address: str) -> bool:
    """Say whether the results of an address are there, whole and of this version."""
    place = cell_folder(folder, address)
    if not ((place / RECORD).is_file() and (place / PREDICTIONS).is_file()):
        return False
    return JsonContent.read(place / RECORD, _ADVICE).integer("format") == FORMAT


def read_result(folder: Path, address: str) -> CellResult:
    """Read how a test came about.

    Raises:
        ResultsError: Where its record is missing or broken.
    """
    content = JsonContent.read(cell_folder(folder, address) / RECORD, _ADVICE)
    return CellResult(
        training=content.text("training"),
        layer=content.optional_integer("layer"),
        epochs=content.integer("epochs"),
        early_stopped=bool(content.optional_flag("early_stopped")),
        seconds=content.number("seconds"),
        trained=content.integer("trained"),
        notes=content.texts("notes"),
    )


def read_predictions(folder: Path, address: str) -> pa.Table:
    """Read a test's predictions: `utterance`, `speaker`, `truth` (class index), `p0`, `p1`, ...

    Raises:
        ResultsError: Where the file is missing or broken.
    """
    path = cell_folder(folder, address) / PREDICTIONS
    try:
        return read_parquet(path)
    except (OSError, DocumentError) as error:
        raise ResultsError(path, f"{error}. {_ADVICE}") from error
