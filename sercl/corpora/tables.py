"""Rows of a table file (CSV, TSV, JSONL, Parquet), each with its line number for messages."""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sercl.errors import CorpusNotFoundError, ManifestError, UnknownNameError
from sercl.files import atomic_path, write_text

DELIMITERS: Mapping[str, str] = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*DELIMITERS, ".jsonl", ".parquet")


@dataclass(frozen=True)
class Row:
    """One row; empty cells, JSON nulls and NaN are left out of `cells`."""

    line: int
    cells: Mapping[str, object]


def table_suffix(path: Path) -> str:
    """Return the lower-case suffix of a table file.

    Raises:
        UnknownNameError: Where it is none of `SUFFIXES`.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UnknownNameError("table format", path.suffix or path.name, SUFFIXES, "The suffix decides.")
    return suffix


def read_rows(path: Path) -> list[Row]:
    """Read a table; blank lines are skipped, column names are stripped.

    Raises:
        CorpusNotFoundError: Where there is no such file.
        ManifestError: For a row with too few or too many cells, a column that stands twice, bad quoting,
            text that is not UTF-8, or no row at all.
        UnknownNameError: For another suffix than `SUFFIXES`.
    """
    suffix = table_suffix(path)
    if not path.is_file():
        raise CorpusNotFoundError(f"{path}: no such file. Check the path.")
    if suffix == ".parquet":
        rows = list(_parquet_rows(path))
    elif suffix == ".jsonl":
        rows = list(_json_rows(path, _decode(path)))
    else:
        rows = list(delimited_rows(path, _decode(path), DELIMITERS[suffix]))
    if not rows:
        raise ManifestError(path, None, "holds no row.")
    return rows


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Write a table, whole or not at all; a cell that a row lacks stays empty.

    Raises:
        OutputError: Where the place cannot be written.
        UnknownNameError: For another suffix than `SUFFIXES`.
    """
    suffix = table_suffix(path)
    if suffix == ".parquet":
        _write_parquet(path, columns, rows)
    elif suffix == ".jsonl":
        write_text(path, "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows))
    else:
        write_text(path, _delimited(columns, rows, DELIMITERS[suffix]))


def delimited_rows(path: Path, text: str, delimiter: str) -> Iterator[Row]:
    """Yield the rows of CSV or TSV text whose first line is the header; `path` is for messages only.

    Raises:
        ManifestError: As for `read_rows`.
    """
    header: list[str] | None = None
    for line, cells in _split(path, text, delimiter):
        if header is None:
            header = _checked_header(path, line, cells)
        elif len(cells) != len(header):
            raise ManifestError(
                path, line, f"{len(cells)} cells, but the header has {len(header)} columns. Mend this row."
            )
        else:
            yield Row(line, _given(dict(zip(header, cells, strict=True))))


def _split(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise ManifestError(path, line, f"not readable ({error}). Check the quotation marks.") from None


def _checked_header(path: Path, line: int, cells: Sequence[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    twice = [name for name, count in Counter(header).items() if count > 1]
    if "" in header or twice:
        what = f"column {twice[0]!r} stands twice" if twice and twice[0] else "a column has no name"
        raise ManifestError(path, line, f"{what}. Give every column a name of its own.")
    return header


def _json_rows(path: Path, text: str) -> Iterator[Row]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            cells = json.loads(content)
        except json.JSONDecodeError as error:
            raise ManifestError(path, line, f"not JSON ({error.msg}). One object per line.") from None
        if not isinstance(cells, dict):
            raise ManifestError(path, line, f"{content.strip()[:40]!r} is no JSON object. One per line.")
        yield Row(line, _given(cells))


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows = pq.read_table(path).to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise ManifestError(path, None, f"not readable as Parquet ({error}).") from None
    for number, cells in enumerate(rows, start=1):
        yield Row(number, _given(cells))


def _given(cells: Mapping[str, object]) -> dict[str, object]:
    return {name: cell for name, cell in cells.items() if not _is_empty(cell)}


def _is_empty(cell: object) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def _decode(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"not UTF-8 (byte {error.start}). Save it as UTF-8."
        raise ManifestError(path, None, message) from None


def _delimited(columns: Sequence[str], rows: Sequence[Mapping[str, object]], delimiter: str) -> str:
    table = [columns, *([row.get(column, "") for column in columns] for row in rows)]
    # The csv module of Python before 3.13 leaves a lone carriage return unquoted.
    returns = any("\r" in str(cell) for cells in table for cell in cells)
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=delimiter,
        lineterminator="\n",
        quoting=csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL,
    )
    writer.writerows(table)
    return text.getvalue()


def _write_parquet(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({column: [row.get(column) for row in rows] for column in columns})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)
