"""Rows of a table file (CSV, TSV, JSONL, Parquet), each with its line number for messages."""

import csv
import io
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sercl.corpora.cells import clean, key_of
from sercl.corpora.text_files import UnknownEncodingError, decode
from sercl.documents import parse_json, read_parquet
from sercl.errors import CorpusNotFoundError, DocumentError, ManifestError, UnknownNameError
from sercl.files import CsvWriter, at_home, atomic_path, from_csv_cell, write_text

DELIMITERS: Mapping[str, str] = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*DELIMITERS, ".jsonl", ".parquet")

NO_ROW = "has no rows."

_DELIMITERS = (",", ";", "\t", "|")
_DECLARED = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)
_TEXT_FORMULA = re.compile(r'\s*="([^"]*)"\s*')
_INDEX = re.compile(r"(?:unnamed: \d+|__index_level_\d+__)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row; empty cells, JSON nulls and NaN are left out of `cells`."""

    line: int
    cells: Mapping[str, object]


@dataclass(frozen=True)
class Table:
    """A table as read.

    Attributes:
        rows: Its rows.
        columns: Its column names in order, including empty columns.
        delimiter: What separates the cells; None in formats that have no delimiter.
    """

    rows: tuple[TableRow, ...]
    columns: tuple[str, ...]
    delimiter: str | None = None


def table_suffix(path: Path) -> str:
    """Return the lower-case suffix of a table file.

    Raises:
        UnknownNameError: If it is not in `SUFFIXES`.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UnknownNameError("table format", path.suffix or path.name, SUFFIXES, "The suffix decides.")
    return suffix


def read_rows(path: Path, wanted: Collection[str] = ()) -> list[TableRow]:
    """Return the rows of a table; see `read_table`.

    Raises:
        ManifestError: Also for a table without rows.
    """
    rows = read_table(path, wanted).rows
    if not rows:
        raise ManifestError(path, None, NO_ROW)
    return list(rows)


def read_table(path: Path, wanted: Collection[str] = ()) -> Table:
    """Read a table; blank lines are skipped, column names are in their normal form (`cells.clean`).

    Text may be in any encoding that `text_files.decode` recognises. The delimiter of CSV and TSV (comma,
    semicolon, tab, vertical bar) is found from the header. A first column without a name (an index of pandas)
    is left out, and so are empty columns without a name.

    Args:
        path: The file; its suffix determines the format.
        wanted: Columns that the header must have; they determine the delimiter.

    Raises:
        CorpusNotFoundError: If there is no such file.
        ManifestError: For a row with too few or too many cells, a column that appears twice, bad quoting, or
            text in an encoding that is not recognised.
        UnknownNameError: For a suffix that is not in `SUFFIXES`.
    """
    path = at_home(path)
    if path.is_dir():
        raise CorpusNotFoundError(f"{path}: is a folder, not a table. Give the file ({', '.join(SUFFIXES)}).")
    suffix = table_suffix(path)
    if not path.is_file():
        raise CorpusNotFoundError(f"{path}: no such file. Check the path.")
    if suffix in DELIMITERS:
        return delimited_table(path, _decode(path), DELIMITERS[suffix], wanted)
    rows = tuple(_parquet_rows(path) if suffix == ".parquet" else _json_rows(path, _decode(path)))
    return Table(rows, tuple(dict.fromkeys(name for row in rows for name in row.cells)))


def delimited_table(path: Path, text: str, usual: str = ",", wanted: Collection[str] = ()) -> Table:
    """Return the table in the text of a CSV or TSV file.

    Args:
        path: The file, for messages only.
        text: Its content.
        usual: Delimiter to use unless the text indicates another.
        wanted: Columns that the header must have; they determine the delimiter.

    Raises:
        ManifestError: As for `read_table`.
    """
    delimiter = find_delimiter(text, usual, wanted)
    columns = tuple(filter(_is_named, _header(text, delimiter)))
    return Table(tuple(delimited_rows(path, text, delimiter)), columns, delimiter)


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Write a table atomically; cells that a row lacks stay empty.

    Raises:
        OutputError: If the file cannot be written.
        UnknownNameError: For a suffix that is not in `SUFFIXES`.
    """
    suffix = table_suffix(path)
    if suffix == ".parquet":
        _write_parquet(path, columns, rows)
    elif suffix == ".jsonl":
        write_text(path, "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows))
    else:
        write_text(path, _delimited(columns, rows, DELIMITERS[suffix]))


def find_delimiter(text: str, usual: str, wanted: Collection[str] = ()) -> str:
    """Return the delimiter of CSV or TSV text: from a line `sep=`, otherwise from the header.

    Args:
        text: The text.
        usual: Used unless the text indicates another.
        wanted: Columns that the header must have; without them, the delimiter that gives most columns is
            used.
    """
    first = (text.lstrip("\r\n").splitlines() or [""])[0].strip(" ")
    if declared := _DECLARED.fullmatch(first):
        return declared[1]
    keys = {key_of(name) for name in wanted}
    return max(
        (usual, *(other for other in _DELIMITERS if other != usual)),
        key=lambda delimiter: _fit(text, delimiter, keys),
    )


def _fit(text: str, delimiter: str, wanted: Collection[str]) -> tuple[int, int]:
    header = _header(text, delimiter)
    return len({key_of(name) for name in header} & set(wanted)), len(header)


def _header(text: str, delimiter: str) -> list[str]:
    """Return the column names: the first row that is neither blank nor a line `sep=`."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=_spaced(text, delimiter)
    )
    try:
        rows = (cells for cells in reader if any(cell.strip() for cell in cells))
        return next((_names_in(row) for row in rows if not _declares(delimiter.join(row))), [])
    except csv.Error:
        return []


def _names_in(cells: Sequence[str]) -> list[str]:
    """Return the names of columns in the cells of a header."""
    return [clean(from_csv_cell(cell)) for cell in cells]


def _spaced(text: str, delimiter: str) -> bool:
    """Whether there are spaces between delimiters and quotation marks: `"a.wav", "sad"`."""
    return f'{delimiter} "' in text


def _declares(line: str) -> bool:
    return _DECLARED.fullmatch(line.strip("\r ")) is not None


def delimited_rows(path: Path, text: str, delimiter: str) -> Iterator[TableRow]:
    """Yield the rows of CSV or TSV text whose first line is the header; `path` is for messages only.

    Raises:
        ManifestError: As for `read_table`.
    """
    header: list[str] | None = None
    for line, cells in _split(path, text, delimiter):
        if header is None:
            if not _declares(delimiter.join(cells)):
                header = _names_in(cells)
                _check_header(path, line, header)
            continue
        extra = cells[len(header) :]
        if len(cells) < len(header) or any(map(str.strip, extra)):
            raise ManifestError(
                path, line, f"{len(cells)} cells, but the header has {len(header)} columns. Fix this row."
            )
        yield TableRow(line, _given(_named(path, line, zip(header, map(_plain_text, cells), strict=False))))


def _split(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    spaced = _spaced(text, delimiter)
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=spaced
    )
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise ManifestError(path, line, f"not readable ({error}). Check the quotation marks.") from None


def _plain_text(cell: str) -> str:
    """Return a cell without the formula with which spreadsheets keep "03" as text: `="03"`, or `'=03`."""
    found = _TEXT_FORMULA.fullmatch(cell)
    return found[1] if found else from_csv_cell(cell)


def _check_header(path: Path, line: int, names: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for name in names:
        key = key_of(name)
        if key and key in first:
            other = first[key]
            what = f"column {name!r} appears twice" + (f" (as {other!r}, too)" if other != name else "")
            raise ManifestError(path, line, f"{what}. Give every column a unique name.")
        first[key] = name


def _named(path: Path, line: int, cells: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Return the cells by column, without an index column and empty columns without a name."""
    named: dict[str, object] = {}
    for index, (name, cell) in enumerate(cells):
        if _is_named(name):
            named[name] = cell
        elif index > 0 and not name and not _is_empty(cell):
            raise ManifestError(
                path, line, f"column {index + 1} has no name. Give every column a unique one."
            )
    return named


def _is_named(name: str) -> bool:
    return bool(name) and not _INDEX.fullmatch(name)


def _json_rows(path: Path, text: str) -> Iterator[TableRow]:
    for line, content in enumerate(io.StringIO(text, newline=None), start=1):
        if not content.strip():
            continue
        try:
            pairs = parse_json(content, _Pairs)
        except DocumentError as error:
            raise ManifestError(path, line, f"{error.reason}. One object per line.") from None
        if not isinstance(pairs, _Pairs):
            raise ManifestError(path, line, f"{content.strip()[:40]!r} is not a JSON object. One per line.")
        cells = [(clean(name), _plain(cell)) for name, cell in pairs]
        _check_header(path, line, [name for name, _ in cells])
        yield TableRow(line, _given(_named(path, line, cells)))


class _Pairs(list[tuple[str, object]]):
    """All pairs of a JSON object: a dict would keep only the last of two with the same name."""


def _plain(cell: object) -> object:
    if isinstance(cell, _Pairs):
        return {name: _plain(value) for name, value in cell}
    return [_plain(item) for item in cell] if isinstance(cell, list) else cell


def _parquet_rows(path: Path) -> Iterator[TableRow]:
    try:
        table = read_parquet(path)
    except (OSError, DocumentError) as error:
        raise ManifestError(path, None, f"not readable as Parquet ({error}).") from None
    _check_header(path, 1, [clean(name) for name in table.column_names])
    try:
        rows = table.to_pylist()
    except (ValueError, OverflowError) as error:  # a date outside the range of Python
        raise ManifestError(path, None, f"not readable as Parquet ({error}).") from None
    names = {name: clean(name) for name in (rows[0] if rows else ())}
    for number, cells in enumerate(rows, start=1):
        yield TableRow(
            number, _given(_named(path, number, ((names[name], cell) for name, cell in cells.items())))
        )


def _given(cells: Mapping[str, object]) -> dict[str, object]:
    return {name: cell for name, cell in cells.items() if not _is_empty(cell)}


def _is_empty(cell: object) -> bool:
    if isinstance(cell, str):
        return not cell or not clean(cell)
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def _decode(path: Path) -> str:
    try:
        return decode(path.read_bytes())
    except UnknownEncodingError as error:
        raise ManifestError(path, None, f"{error}.") from None


def _delimited(columns: Sequence[str], rows: Sequence[Mapping[str, object]], delimiter: str) -> str:
    table = [columns, *([row.get(column, "") for column in columns] for row in rows)]
    # The csv module of Python before 3.13 leaves a lone carriage return unquoted; and a header with another
    # delimiter in a name must not be taken for that of another dialect.
    quoted = any("\r" in str(cell) for cells in table for cell in cells) or any(
        mark in name for name in columns for mark in _DELIMITERS
    )
    text = io.StringIO(newline="")
    CsvWriter(text, delimiter, quote_all=quoted).writerows(table)
    return text.getvalue()


def _write_parquet(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({column: [row.get(column) for row in rows] for column in columns})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary)
