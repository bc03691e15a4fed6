"""Rows of a table file (CSV, TSV, JSONL, Parquet), each with its line number for messages."""

import csv
import io
import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from sercl.corpora.cells import clean, key_of
from sercl.corpora.text_files import UnknownEncodingError, decode
from sercl.documents import parse_json, read_parquet
from sercl.errors import CorpusNotFoundError, DocumentError, ManifestError, UnknownNameError
from sercl.files import CsvWriter, at_home, atomic_path, from_csv_cell, write_text

if TYPE_CHECKING:
    import pyarrow as pa

DELIMITERS: Mapping[str, str] = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*DELIMITERS, ".jsonl", ".parquet")

NO_ROW = "has no rows."

_DELIMITERS = (",", ";", "\t", "|")
_DECLARED = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)
_TEXT_FORMULA = re.compile(r'\s*="([^"]*)"\s*')
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_INDEX = re.compile(r"(?:unnamed: \d+|__index_level_\d+__)", re.IGNORECASE)

_ROWS_AT_ONCE = 1024
"""Rows of Parquet that become objects at a time."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row; empty cells, JSON nulls and NaN are left out of `cells`."""

    line: int
    cells: Mapping[str, object]


@dataclass(frozen=True)
class OpenTable:
    """A table whose rows are read while they are iterated over, once; no row is kept.

    Attributes:
        rows: Its rows; raises `ManifestError` as `read_table`.
        columns: Its column names in order, including empty columns; None in JSON, where only the rows name
            them.
        delimiter: What separates the cells; None in formats that have no delimiter.
    """

    rows: Iterator[TableRow]
    columns: tuple[str, ...] | None
    delimiter: str | None = None

    def whole(self) -> "Table":
        """Read all rows; raises `ManifestError` as `read_table`."""
        rows, columns = tuple(self.rows), self.columns
        if columns is None:
            columns = tuple(dict.fromkeys(name for row in rows for name in row.cells))
        return Table(rows, columns, self.delimiter)


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
    return open_table(path, wanted).whole()


def open_table(path: Path, wanted: Collection[str] = ()) -> OpenTable:
    """Return a table whose rows are read one by one: all at once, they take 20 times the memory of the file.

    Args:
        path: As for `read_table`.
        wanted: As for `read_table`.

    Raises:
        CorpusNotFoundError: As `read_table`, which has the other errors, too; those of rows are raised when
            they are reached.
    """
    path = at_home(path)
    if path.is_dir():
        raise CorpusNotFoundError(f"{path}: is a folder, not a table. Give the file ({', '.join(SUFFIXES)}).")
    suffix = table_suffix(path)
    if not path.is_file():
        raise CorpusNotFoundError(f"{path}: no such file. Check the path.")
    if suffix in DELIMITERS:
        return _open_delimited(path, _decode(path), DELIMITERS[suffix], wanted)
    return _open_parquet(path) if suffix == ".parquet" else OpenTable(_json_rows(path, _decode(path)), None)


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
    return _open_delimited(path, text, usual, wanted).whole()


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
    reader = csv.reader(_lines(text), delimiter=delimiter, skipinitialspace=_spaced(text, delimiter))
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


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a text, with ends of any system; `io.StringIO` takes four bytes a character."""
    return (line[0] for line in _LINE.finditer(text))


def _open_delimited(path: Path, text: str, usual: str, wanted: Collection[str]) -> OpenTable:
    delimiter = find_delimiter(text, usual, wanted)
    lines, header = _split(path, text, delimiter), list[str]()
    for line, cells in lines:
        if not _declares(delimiter.join(cells)):
            header = _names_in(cells)
            _check_header(path, line, header)
            break
    rows = _delimited_rows(path, lines, header)
    return OpenTable(rows, tuple(filter(_is_named, header)), delimiter)


def _delimited_rows(
    path: Path, lines: Iterable[tuple[int, list[str]]], header: Sequence[str]
) -> Iterator[TableRow]:
    for line, cells in lines:
        extra = cells[len(header) :]
        if len(cells) < len(header) or any(map(str.strip, extra)):
            raise ManifestError(
                path, line, f"{len(cells)} cells, but the header has {len(header)} columns. Fix this row."
            )
        yield TableRow(line, _given(_named(path, line, zip(header, map(_plain_text, cells), strict=False))))


def _split(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    spaced = _spaced(text, delimiter)
    reader = csv.reader(_lines(text), delimiter=delimiter, strict=True, skipinitialspace=spaced)
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
    for line, content in enumerate(_lines(text), start=1):
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


def _open_parquet(path: Path) -> OpenTable:
    try:
        table = read_parquet(path)
    except (OSError, DocumentError) as error:
        raise ManifestError(path, None, f"not readable as Parquet ({error}).") from None
    names = [clean(name) for name in table.column_names]
    _check_header(path, 1, names)
    return OpenTable(_parquet_rows(path, table), tuple(filter(_is_named, names)))


def _parquet_rows(path: Path, table: "pa.Table") -> Iterator[TableRow]:
    names = {name: clean(name) for name in table.column_names}
    numbers = count(1)
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        try:
            rows = batch.to_pylist()
        except (ValueError, OverflowError) as error:  # a date outside the range of Python
            raise ManifestError(path, None, f"not readable as Parquet ({error}).") from None
        for cells in rows:
            number = next(numbers)
            pairs = ((names[name], cell) for name, cell in cells.items())
            yield TableRow(number, _given(_named(path, number, pairs)))


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
