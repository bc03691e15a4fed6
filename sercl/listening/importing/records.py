"""The rows of result files of any kind: CSV and other delimited text, JSON, JSON lines."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sercl.corpora.cells import key_of
from sercl.corpora.tables import find_delimiter
from sercl.corpora.text_files import UnknownEncodingError, decode
from sercl.counting import count
from sercl.documents import parse_json
from sercl.errors import DocumentError, RatingsError, UnknownNameError

Row = Mapping[str, Any]
"""Column, in its normal form -> cell."""

Records = Iterator[tuple[int, Row | str]]
"""(line, cells by column, or what is wrong with the line)."""


def read_records(path: Path) -> tuple[list[str], Records]:
    """Return the columns of a file in their normal form, and its rows.

    Raises:
        RatingsError: For a file that cannot be read.
        UnknownNameError: For a suffix that is not known.
    """
    if path.is_dir():
        raise RatingsError(path, None, "is a folder. Name the files in it.")
    try:
        text = decode(path.read_bytes())
    except FileNotFoundError as error:
        raise RatingsError(path, None, "no such file. Check the path.") from error
    except (OSError, UnknownEncodingError) as error:
        raise RatingsError(path, None, f"cannot be read ({error}).") from error
    suffix = path.suffix.lower()
    if suffix in (".json", ".jsonl"):
        return _json_records(path, text, suffix)
    if suffix in (".csv", ".tsv", ".txt"):
        return _delimited_records(path, text)
    raise UnknownNameError("format of results", suffix, (".csv", ".tsv", ".txt", ".json", ".jsonl"))


def _delimited_records(path: Path, text: str) -> tuple[list[str], Records]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=find_delimiter(text, ","))
    try:
        header = next((row for row in reader if any(map(str.strip, row))), None)
    except csv.Error as error:
        raise RatingsError(path, 1, f"not readable ({error}). Check the quotation marks.") from error
    if header is None:
        raise RatingsError(path, None, "is empty.")
    columns = [key_of(cell) for cell in header]
    twice = [name for name, number in Counter(filter(None, columns)).items() if number > 1]
    if twice:
        raise RatingsError(path, 1, f"has the column {twice[0]!r} twice. Give every column a unique name.")

    def rows() -> Records:
        line = reader.line_num + 1
        try:
            for cells in reader:
                if any(map(str.strip, cells)) and cells != header:
                    yield line, _row(columns, cells)
                line = reader.line_num + 1
        except csv.Error as error:
            yield line, f"not readable ({error}); what follows it is lost"

    return columns, rows()


def _row(columns: Sequence[str], cells: Sequence[str]) -> Row | str:
    if len(cells) != len(columns):
        return f"{count(len(cells), 'cell')}, but the header has {count(len(columns), 'column')}"
    return dict(zip(columns, cells, strict=True))


def _json_records(path: Path, text: str, suffix: str) -> tuple[list[str], Records]:
    found: list[tuple[int, Row | str]] = []
    if suffix == ".jsonl":
        for line, part in enumerate(text.splitlines(), start=1):
            if part.strip():
                found += _of_json(path, line, part, each=False)
    else:
        found = _of_json(path, 1, text, each=True)
    columns = dict.fromkeys(name for _, own in found if not isinstance(own, str) for name in own)
    return list(columns), iter(found)


def _of_json(path: Path, line: int, text: str, each: bool) -> list[tuple[int, Row | str]]:
    """Return the objects in JSON; of a list, the number of each stands for its line."""
    try:
        content = parse_json(text)
    except DocumentError as error:
        if each:
            raise RatingsError(path, error.line, f"{error.reason}.") from error
        return [(line, error.reason)]
    flat = _flattened(content)
    return [
        (number if each else line, {key_of(str(name)): cell for name, cell in own.items()})
        if isinstance(own, dict)
        else (number if each else line, "is not a JSON object")
        for number, own in enumerate(flat, start=1)
    ]


def _flattened(content: Any) -> list[Any]:
    """Return the objects of a list; jsPsych data of several participants may be a list of lists."""
    if not isinstance(content, list):
        return [content]
    return [own for part in content for own in (part if isinstance(part, list) else [part])]
