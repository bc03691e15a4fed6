"""The files of a study.

`study.json` is its description, with the outcome of each cell. `predictions.parquet` has every prediction
of every cell; all scores of a study are computed from it. Its columns: `cell` (its address), the fields of
the cell, and those of `sercl.studies.results.predictions`, with what is known of the utterances.
`forgetting.parquet` has the predictions for the test parts of sources, apart from these, which are all of
targets; before the same columns it has `when` ("before" or "after" the training on the target) and `corpus`
(what is tested).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sercl.documents import read_parquet
from sercl.errors import DocumentError, ResultsError
from sercl.files import atomic_path, write_text
from sercl.json_text import json_text, plain
from sercl.studies.cross_eval.cells import (
    CELL_FIELDS,
    CONDITION_FIELDS,
    Cell,
    CellRecord,
    Condition,
    ForgettingRecord,
    Study,
)
from sercl.studies.results import predictions
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.records import as_record, digest, read_with_digest

STUDY = "study.json"
FORMAT = 1
"""Version of the file format; other versions are refused."""

ADVICE = "Run `sercl cross-eval` into this folder again: it keeps the finished cells and rewrites the file."
"""Advice for any broken file in a study's folder."""


def write_study(study: Study, folder: Path) -> Study:
    """Write a study's `study.json` into its folder, atomically.

    Returns:
        The study as `read_study` reads it.

    Raises:
        OutputError: If it cannot be written.
    """
    content, path = plain(study_to_dict(study)), folder / STUDY
    text = json_text(content, indent=1) + "\n"
    write_text(path, text)
    return replace(_study_of(content, path), digest=digest(text))


def read_study(folder: Path) -> Study:
    """Read a study's `study.json`.

    Raises:
        ResultsError: If it is missing, broken or of another version.
    """
    path = folder / STUDY
    content, text_digest = read_with_digest(path, ADVICE)
    return replace(_study_of(content, path), digest=text_digest)


def _study_of(content: Mapping[str, Any], path: Path) -> Study:
    if (version := content.get("format")) != FORMAT:
        raise ResultsError(path, f"has format {version}; this sercl reads {FORMAT}. {ADVICE}")
    records = as_record(_nested(content, "cells", path), tuple[CellRecord, ...], path, ADVICE, "cells")
    found = as_record(
        _nested({"forgetting": [], **content}, "forgetting", path),
        tuple[ForgettingRecord, ...],
        path,
        ADVICE,
        "forgetting",
    )
    plain = {**content, "records": [], "forgetting": []}
    _check_once([(record.cell,) for record in records], "cells", path)
    _check_once([(record.cell, record.corpus) for record in found], "forgetting", path)
    return replace(as_record(plain, Study, path, ADVICE), records=records, forgetting=found)


def _nested(content: Mapping[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    """Return the entries of a list; a cell is one object there, with its own fields and its condition's."""
    entries = as_record(content.get(key), list[dict[str, Any]], path, ADVICE, key)
    return [{**each, "cell": {**each, "condition": each}} for each in entries]


def _check_once(records: Sequence[tuple[object, ...]], key: str, path: Path) -> None:
    seen: set[tuple[object, ...]] = set()
    for index, record in enumerate(records):
        if record in seen:
            raise ResultsError(path, f"{key}[{index}] is a cell that is already in the list. {ADVICE}")
        seen.add(record)


def study_to_dict(study: Study) -> dict[str, Any]:
    """Return what the file holds."""
    return {
        "format": FORMAT,
        "classes": list(study.classes),
        "label_map": {name: list(emotions) for name, emotions in study.label_map.items()},
        "corpora": {name: asdict(corpus) for name, corpus in study.corpora.items()},
        "encoders": {name: asdict(encoder) for name, encoder in study.encoders.items()},
        "created": study.created,
        "seconds": round(study.seconds, 2),
        "environment": dict(study.environment),
        "warnings": list(study.warnings),
        "cells": [record.to_dict() for record in study.records],
        "forgetting": [record.to_dict() for record in study.forgetting],
    }


PREDICTIONS = "predictions.parquet"

FORGETTING = "forgetting.parquet"
WHEN, TESTED = "when", "corpus"
BEFORE, AFTER = TIMES = ("before", "after")

_TEXT = pa.dictionary(pa.int32(), pa.string())
_NUMBERS = {"shots": pa.int32(), "draw": pa.int32(), "fold": pa.int32(), "seed": pa.int64()}
_GROUP = 50_000
_MAY_BE_NULL = {"shots", "speaker"}


def cell_table(
    cell: Cell,
    address: str,
    predictions: pa.Table,
    classes: Sequence[str],
    known: Mapping[str, Sequence[str | None]] = MappingProxyType({}),
) -> pa.Table:
    """Return the rows of one cell.

    Args:
        cell: The cell.
        address: Its address.
        predictions: A table with the columns of `sercl.studies.results.predictions`.
        classes: Class names in class order.
        known: Column -> value of each row, as of `sercl.studies.results.predictions.known_of`.
    """
    count = predictions.num_rows
    fields = {"cell": address, **cell.to_dict()}
    columns = [_constant(value, name, count) for name, value in fields.items()]
    more = [pa.array(values, pa.string()).dictionary_encode() for values in known.values()]
    names = schema(classes, list(known))
    return pa.Table.from_arrays([*columns, *predictions.columns, *more], schema=names)


def forgetting_table(record: ForgettingRecord, when: str, own: pa.Table, classes: Sequence[str]) -> pa.Table:
    """Return the rows of one test of a source.

    Args:
        record: Its record.
        when: One of `TIMES`.
        own: A table with the columns of `sercl.studies.results.predictions`.
        classes: Class names in class order.
    """
    address = record.before if when == BEFORE else record.after
    table = cell_table(record.cell, address, own, classes)
    first = [_constant(value, "", own.num_rows) for value in (when, record.corpus)]
    return pa.Table.from_arrays([*first, *table.columns], schema=forgetting_schema(classes))


def _constant(value: object, name: str, count: int) -> pa.Array:
    if name in _NUMBERS:
        return pa.array([value] * count, _NUMBERS[name])
    return pa.DictionaryArray.from_arrays(np.zeros(count, dtype=np.int32), pa.array([value], pa.string()))


def schema(classes: Sequence[str], known: Sequence[str] = ()) -> pa.Schema:
    """Return the columns of the file and their types."""
    names = ["cell", *CELL_FIELDS]
    fields = [pa.field(name, _NUMBERS.get(name, _TEXT), nullable=name == "shots") for name in names]
    return pa.schema([*fields, *predictions.schema(classes, known)])


def forgetting_schema(classes: Sequence[str]) -> pa.Schema:
    """Return the columns of the file of forgetting and their types."""
    return pa.schema([*(pa.field(name, _TEXT, nullable=False) for name in (WHEN, TESTED)), *schema(classes)])


def write_predictions(
    tables: Iterable[pa.Table], classes: Sequence[str], path: Path, known: Sequence[str] = ()
) -> None:
    """Write the rows of any number of cells as one file, atomically.

    Args:
        tables: From `cell_table` or `read_table`.
        classes: Class names in class order.
        path: The file; `PREDICTIONS` in the folder of a study.
        known: Columns of what is known of the utterances, which all tables have.

    Raises:
        OutputError: If it cannot be written.
    """
    _write(tables, schema(classes, known), path)


def write_forgetting(tables: Iterable[pa.Table], classes: Sequence[str], path: Path) -> None:
    """Write tables of `forgetting_table` to `FORGETTING` in a study's folder; as `write_predictions`."""
    _write(tables, forgetting_schema(classes), path)


def _write(tables: Iterable[pa.Table], columns: pa.Schema, path: Path) -> None:
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, columns, compression="zstd") as writer:
        for group in _groups(tables):
            writer.write_table(group.cast(columns).unify_dictionaries())


def read_table(path: Path, classes: Sequence[str]) -> pa.Table:
    """Read what `write_predictions` wrote.

    Raises:
        ResultsError: If the file is missing or broken, or has other columns or classes.
    """
    return _read(path, classes, schema(classes))


def _read(path: Path, classes: Sequence[str], columns: pa.Schema) -> pa.Table:
    try:
        table = read_parquet(path)
    except FileNotFoundError as error:
        raise ResultsError(path, f"no such file. {ADVICE}") from error
    except (OSError, DocumentError) as error:
        raise ResultsError(path, f"{error}. {ADVICE}") from error
    _check_columns(table, columns.names, path)
    known = [name for name in predictions.known_columns(table.column_names) if name not in columns.names]
    columns = pa.schema([*columns, *(pa.field(name, _TEXT) for name in known)])
    try:
        table = table.select(columns.names).cast(columns)
    except pa.ArrowException as error:
        raise ResultsError(path, f"has columns of another type ({error}). {ADVICE}") from error
    _check_classes(table, classes, path)
    return table


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


def _check_columns(table: pa.Table, expected: Sequence[str], path: Path) -> None:
    names = table.column_names
    absent = [name for name in expected if name not in names]
    if absent:
        raise ResultsError(path, f"lacks the columns {', '.join(absent)}. {ADVICE}")
    if twice := [name for name, number in Counter(names).items() if number > 1]:
        raise ResultsError(path, f"has the column {twice[0]} twice. {ADVICE}")
    empty = [name for name in expected if name not in _MAY_BE_NULL and table[name].null_count]
    if empty:
        raise ResultsError(path, f"has rows without {', '.join(empty)}. {ADVICE}")


def _check_classes(table: pa.Table, classes: Sequence[str], path: Path) -> None:
    for column in ("truth", "predicted"):
        foreign = sorted(set(table[column].unique().to_pylist()) - set(classes))
        if foreign:
            valid = ", ".join(classes)
            raise ResultsError(path, f"has {column} {foreign[0]!r}; classes are {valid}. {ADVICE}")


def read_predictions(folder: Path, study: Study) -> dict[Condition, Predictions]:
    """Read the predictions of a study, condition by condition, in the order of its grid.

    Conditions without a finished cell are left out.

    Raises:
        ResultsError: If the file is missing or broken, or does not have the cells listed in `study.json`.
    """
    return by_condition(read_frame(folder, study), study)


def read_frame(folder: Path, study: Study) -> pd.DataFrame:
    """Read the predictions of a study as a table with the columns described in the module.

    Raises:
        ResultsError: As `read_predictions`.
    """
    path = folder / PREDICTIONS
    frame = predictions.sharing_texts(read_table(path, study.classes).to_pandas())
    _check_cells(frame, study, path)
    return frame


def read_forgetting(
    folder: Path, study: Study
) -> dict[tuple[Condition, str], tuple[Predictions, Predictions]]:
    """Read the predictions for the sources of a study.

    Returns:
        Condition and tested source -> predictions before and after the training on the target, in the order
        of the grid; what has no finished test is left out.

    Raises:
        ResultsError: If the file is missing or broken, or does not have what is listed in `study.json`.
    """
    done = [record for record in study.forgetting if record.status == "done"]
    if not done:
        return {}
    path = folder / FORGETTING
    table = _read(path, study.classes, forgetting_schema(study.classes))
    frame = predictions.sharing_texts(table.to_pandas())
    fields = (WHEN, TESTED, *CELL_FIELDS)
    sizes = {
        (when, record.corpus, *record.cell.to_dict().values()): (address, record.utterances)
        for record in done
        for when, address in zip(TIMES, (record.before, record.after), strict=True)
    }
    _check_rows(frame, fields, sizes, path)
    found = {
        (condition, str(corpus), str(when)): own
        for (when, corpus), rows in frame.groupby([WHEN, TESTED], observed=True, sort=False)
        for condition, own in split(rows)
    }
    keys = dict.fromkeys((record.cell.condition, record.corpus) for record in done)
    return {key: (found[*key, BEFORE], found[*key, AFTER]) for key in keys}


def by_condition(frame: pd.DataFrame, study: Study) -> dict[Condition, Predictions]:
    """Return the predictions in a table of `read_frame`, condition by condition, in the order of the grid."""
    found = dict(split(frame))
    return {condition: found[condition] for condition in study.conditions if condition in found}


def split(frame: pd.DataFrame) -> Iterator[tuple[Condition, Predictions]]:
    """Yield the predictions of each condition in a table with the columns of `predictions.parquet`."""
    for key, own in Predictions.of_systems(frame, CONDITION_FIELDS):
        yield _condition(key), own


def _condition(key: tuple[Any, ...]) -> Condition:
    values = dict(zip(CONDITION_FIELDS, key, strict=True))
    values["shots"] = None if pd.isna(values["shots"]) else int(values["shots"])
    return Condition(**values)


def _check_cells(frame: pd.DataFrame, study: Study, path: Path) -> None:
    done = {
        tuple(record.cell.to_dict().values()): (record.address, record.parts.get("test"))
        for record in study.records
        if record.status == "done"
    }
    _check_rows(frame, CELL_FIELDS, done, path)


def _check_rows(
    frame: pd.DataFrame,
    fields: Sequence[str],
    done: Mapping[tuple[object, ...], tuple[str, int | None]],
    path: Path,
) -> None:
    """Compare with `study.json`: a report on other cells would be silently wrong.

    Args:
        frame: The predictions.
        fields: Columns that identify a test.
        done: Their values -> address and number of utterances, where known, of every finished test.
        path: The file.
    """
    rows = frame[list(fields)].astype(object)
    sizes = Counter(rows.where(rows.notna(), None).itertuples(index=False, name=None))
    if sizes.keys() != done.keys():
        absent, foreign = len(done.keys() - sizes.keys()), len(sizes.keys() - done.keys())
        raise ResultsError(
            path,
            f"does not match study.json: {absent} of the cells listed there as done are missing, and "
            f"{foreign} are not listed as done. {ADVICE}",
        )
    for key, (address, size) in done.items():
        if size not in (None, sizes[key]):
            expected = f"{sizes[key]} predictions for {size} test utterances"
            raise ResultsError(path, f"has {expected} of cell {address}. {ADVICE}")
    twice = frame.duplicated([*fields, "utterance"])
    if twice.any():
        name = frame.loc[twice, "utterance"].iloc[0]
        raise ResultsError(path, f"has utterance {name!r} twice in a cell. {ADVICE}")
