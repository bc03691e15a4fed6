"""`predictions.parquet`: every prediction of every cell; all scores of a study derive from it.

Columns: `cell` (its address), the fields of the cell, `utterance`, `speaker` (null where unknown), `truth`
and `predicted` (class names), and `p_<class>` for each class in class order.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sercl.documents import read_parquet
from sercl.errors import DocumentError, ResultsError
from sercl.files import atomic_path
from sercl.studies.cross_eval.cells import CELL_FIELDS, CONDITION_FIELDS, Cell, Condition, Study
from sercl.studies.cross_eval.study_file import ADVICE
from sercl.studies.results.predictions import Answers

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


def read_answers(folder: Path, study: Study) -> dict[Condition, Answers]:
    """Read the predictions of a study, condition by condition, in the order of its grid.

    Conditions of which no cell is done are left out.

    Raises:
        ResultsError: Where the file is missing or broken, or holds other cells than `study.json` says.
    """
    path = folder / NAME
    frame = read_table(path, study.classes).to_pandas()
    _check_cells(frame, study, path)
    answers = dict(split(frame, study.classes))
    return {condition: answers[condition] for condition in study.conditions if condition in answers}


def split(frame: pd.DataFrame, classes: Sequence[str]) -> Iterator[tuple[Condition, Answers]]:
    """Yield the answers of each condition in a table with the columns of `predictions.parquet`."""
    shares = [f"p_{name}" for name in classes]
    for key, rows in frame.groupby(list(CONDITION_FIELDS), observed=True, dropna=False, sort=False):
        pairs = list(zip(rows["draw"].tolist(), rows["seed"].tolist(), strict=True))
        runs = sorted(set(pairs))
        places = {run: index for index, run in enumerate(runs)}
        speaker = rows["speaker"].astype(object)
        yield (
            _condition(key),
            Answers(
                runs=tuple(runs),
                run=np.array([places[pair] for pair in pairs]),
                fold=rows["fold"].to_numpy(np.int64),
                utterance=rows["utterance"].astype(object).to_numpy(),
                speaker=speaker.where(speaker.notna(), None).to_numpy(),
                truth=_indices(rows["truth"], classes),
                predicted=_indices(rows["predicted"], classes),
                probabilities=rows[shares].to_numpy(np.float64),
            ),
        )


def _indices(names: "pd.Series[str]", classes: Sequence[str]) -> NDArray[np.int64]:
    return np.asarray(pd.Categorical(names, categories=list(classes)).codes, dtype=np.int64)


def _condition(key: tuple[Any, ...]) -> Condition:
    values = dict(zip(CONDITION_FIELDS, key, strict=True))
    values["shots"] = None if pd.isna(values["shots"]) else int(values["shots"])
    return Condition(**values)


def _check_cells(frame: pd.DataFrame, study: Study, path: Path) -> None:
    """Compare with `study.json`: a report on other cells than it names would be wrong unnoticed."""
    fields = list(CELL_FIELDS)
    rows = frame[fields].astype(object)
    sizes = Counter(rows.where(rows.notna(), None).itertuples(index=False, name=None))
    done = {
        tuple(record.cell.to_dict().values()): record for record in study.records if record.status == "done"
    }
    if sizes.keys() != done.keys():
        absent, foreign = len(done.keys() - sizes.keys()), len(sizes.keys() - done.keys())
        raise ResultsError(
            path,
            f"does not fit study.json: {absent} of the cells that it calls done are not there, and {foreign} "
            f"are that it does not. {ADVICE}",
        )
    for key, record in done.items():
        if record.parts.get("test", sizes[key]) != sizes[key]:
            expected = f"{sizes[key]} predictions for {record.parts['test']} test utterances"
            raise ResultsError(path, f"has {expected} of cell {record.address}. {ADVICE}")
    twice = frame.duplicated([*fields, "utterance"])
    if twice.any():
        name = frame.loc[twice, "utterance"].iloc[0]
        raise ResultsError(path, f"has utterance {name!r} twice in a cell. {ADVICE}")
