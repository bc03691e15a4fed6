"""`predictions.parquet`: every prediction of every cell; all scores of a study derive from it.

Columns: `cell` (its address), the fields of the cell, `utterance`, `speaker` (null where unknown), `truth`
and `predicted` (class names), and `p_<class>` for each class in class order.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sercl.documents import read_parquet
from sercl.errors import DocumentError, ResultsError
from sercl.files import atomic_path
from sercl.studies.cross_eval.cells import CELL_FIELDS, Cell
from sercl.studies.cross_eval.study_file import ADVICE

NAME = "predictions.parquet"

_TEXT = pa.dictionary(pa.int32(), pa.string())
_NUMBERS = {"shots": pa.int32(), "draw": pa.int32(), "fold": pa.int32(), "seed": pa.int64()}
_GROUP = 50_000
_MAY_BE_NULL = {"shots", "speaker"}


def cell_table(
    cell: Cell,
    address: str,
    utterances: Sequence[str],
    speakers: Sequence[str | None],
    truth: Sequence[int],
    probabilities: Sequence[Sequence[float]],
    classes: Sequence[str],
) -> pa.Table:
    """Return the rows of one cell; the class of the largest probability is the prediction.

    Args:
        cell: The cell.
        address: Its address.
        utterances: `n` utterance ids.
        speakers: `n` speaker names, None where unknown.
        truth: `n` class indices.
        probabilities: `n` rows of one probability per class.
        classes: Class names in class order.
    """
    count = len(utterances)
    shares = np.asarray(probabilities, dtype=np.float64).reshape(count, len(classes))
    names = pa.array(classes, pa.string())
    columns = [
        *(_constant(value, name, count) for name, value in {"cell": address, **cell.to_dict()}.items()),
        pa.array(utterances, pa.string()).dictionary_encode(),
        pa.array(speakers, pa.string()).dictionary_encode(),
        pa.DictionaryArray.from_arrays(np.asarray(truth, dtype=np.int32), names),
        pa.DictionaryArray.from_arrays(shares.argmax(axis=1).astype(np.int32), names),
        *(pa.array(column, pa.float32()) for column in shares.T),
    ]
    return pa.Table.from_arrays(columns, schema=schema(classes))


def _constant(value: object, name: str, count: int) -> pa.Array:
    if name in _NUMBERS:
        return pa.array([value] * count, _NUMBERS[name])
    return pa.DictionaryArray.from_arrays(np.zeros(count, dtype=np.int32), pa.array([value], pa.string()))


def schema(classes: Sequence[str]) -> pa.Schema:
    """Return the columns of the file and their types."""
    names = ["cell", *CELL_FIELDS, "utterance", "speaker", "truth", "predicted"]
    typed = [pa.field(name, _NUMBERS.get(name, _TEXT), nullable=name in _MAY_BE_NULL) for name in names]
    return pa.schema([*typed, *(pa.field(f"p_{name}", pa.float32(), nullable=False) for name in classes)])


def write_predictions(tables: Iterable[pa.Table], classes: Sequence[str], path: Path) -> None:
    """Write the rows of any number of cells as one file, whole or not at all.

    Args:
        tables: What `cell_table` or `read_table` gave.
        classes: Class names in class order.
        path: The file; `NAME` in the folder of a study.

    Raises:
        OutputError: Where it cannot be written.
    """
    columns = schema(classes)
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, columns, compression="zstd") as writer:
        for group in _groups(tables):
            writer.write_table(group.cast(columns).unify_dictionaries())


def read_table(path: Path, classes: Sequence[str]) -> pa.Table:
    """Read what `write_predictions` wrote.

    Raises:
        ResultsError: Where the file is missing or broken, or has other columns or classes.
    """
    try:
        table = read_parquet(path)
    except FileNotFoundError as error:
        raise ResultsError(path, f"no such file. {ADVICE}") from error
    except (OSError, DocumentError) as error:
        raise ResultsError(path, f"{error}. {ADVICE}") from error
    _check_columns(table, classes, path)
    try:
        return table.select(schema(classes).names).cast(schema(classes))
    except pa.ArrowException as error:
        raise ResultsError(path, f"has columns of another type ({error}). {ADVICE}") from error


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the tables joined to about `_GROUP` rows: thousands of small cells would be slow to read back."""
    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        waiting.append(table)
        rows += table.num_rows
        if rows >= _GROUP:
            yield pa.concat_tables(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def _check_columns(table: pa.Table, classes: Sequence[str], path: Path) -> None:
    expected = schema(classes).names
    absent = [name for name in expected if name not in table.column_names]
    if absent:
        raise ResultsError(path, f"lacks the columns {', '.join(absent)}. {ADVICE}")
    empty = [name for name in expected if name not in _MAY_BE_NULL and table[name].null_count]
    if empty:
        raise ResultsError(path, f"has rows without {', '.join(empty)}. {ADVICE}")
    for column in ("truth", "predicted"):
        foreign = sorted(set(table[column].unique().to_pylist()) - set(classes))
        if foreign:
            legal = ", ".join(classes)
            raise ResultsError(path, f"has {column} {foreign[0]!r}; classes are {legal}. {ADVICE}")
