"""CSV with the header `id,start,end,emotion,confidence,duration`, one segment per row, times in s."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from sercl.corpora.cells import clean, is_missing, key_of
from sercl.corpora.tables import delimited_table
from sercl.diarization.formats.rows import (
    NO_NAMES,
    Names,
    SegmentRow,
    annotations,
    confidence_of,
    decimal_point,
    read_text,
    seconds,
    written,
)
from sercl.diarization.segments import Annotation
from sercl.errors import ManifestError, SegmentError
from sercl.files import CsvWriter, write_text

_NEEDED = ("id", "start", "end", "emotion")
_COLUMNS = (*_NEEDED, "confidence", "duration")
WRITTEN = rf"\A{','.join(_COLUMNS)}\n"
"""What a file of `write` begins with."""
_VALUES = ("start", "end", "emotion", "confidence")
_NUMBERS = ("start", "end", "confidence", "duration")


def read(path: Path, names: Names = NO_NAMES) -> list[Annotation]:
    """Read a CSV file; confidence and duration may be absent, other columns are ignored.

    As in manifests (`corpora.tables`), semicolons and tabs are accepted as separators, then with decimal
    commas.

    Raises:
        SegmentError: With file and line.
    """
    rows: list[SegmentRow] = []
    durations: dict[str, float] = {}
    for line, cells in _cells(path):
        id = clean(cells.get("id", ""))
        if not id:
            raise SegmentError("the cell 'id' is empty. It names the recording.", path=path, line=line)
        start, end, label, confidence = (cells.get(name, "") for name in _VALUES)
        rows.append(SegmentRow(id, start, end, label, confidence, line))
        if not is_missing(cells.get("duration", "")):
            durations[id] = _duration(cells["duration"], durations.get(id), path, line)
    return annotations(path, rows, durations, names)


def write(items: Sequence[Annotation], path: Path) -> None:
    """Write annotations; recordings without segments would be lost, so include neutral segments.

    Raises:
        OutputError: If the file cannot be written.
    """
    text = io.StringIO()
    table = CsvWriter(text)
    table.writerow(_COLUMNS)
    for item in items:
        duration = "" if item.duration is None else written(item.duration)
        for segment in item.segments:
            confidence = confidence_of(segment)
            score = "" if confidence is None else f"{confidence:.4f}"
            times = written(segment.start), written(segment.end)
            table.writerow((item.id, *times, segment.emotion, score, duration))
    write_text(path, text.getvalue())


def _cells(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        table = delimited_table(path, read_text(path), wanted=_NEEDED)
    except ManifestError as error:
        raise SegmentError(error.message, path=path, line=error.line) from error
    absent = [name for name in _NEEDED if name not in map(key_of, table.columns)]
    if absent:
        raise SegmentError(
            f"no column {', '.join(absent)}. The header is {','.join(_COLUMNS)}; the last two may be absent.",
            path=path,
            line=1,
        )
    for row in table.rows:
        cells = {key_of(name): str(cell) for name, cell in row.cells.items()}
        if table.delimiter != ",":
            cells |= {name: decimal_point(cells[name]) for name in _NUMBERS if name in cells}
        yield row.line, cells


def _duration(cell: str, before: float | None, path: Path, line: int) -> float:
    try:
        duration = seconds(cell, "duration")
    except SegmentError as error:
        raise SegmentError(error.message, path=path, line=line) from error
    if before not in (None, duration):
        raise SegmentError(
            f"duration {duration:g} s, but {before:g} s in an earlier row.", path=path, line=line
        )
    return duration
