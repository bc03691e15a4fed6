"""CSV with the header `id,start,end,emotion,confidence,duration`, one segment a row, times in s."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from sercl.diarization.formats.rows import (
    NO_NAMES,
    Names,
    Row,
    annotations,
    confidence_of,
    seconds,
    written,
)
from sercl.diarization.formats.text import read_text
from sercl.diarization.segments import Annotation
from sercl.errors import SegmentError
from sercl.files import write_text

_NEEDED = ("id", "start", "end", "emotion")
_COLUMNS = (*_NEEDED, "confidence", "duration")


def read(path: Path, names: Names = NO_NAMES) -> list[Annotation]:
    """Read a CSV file; confidence and duration may be absent, other columns are not read.

    Raises:
        SegmentError: With file and line.
    """
    rows: list[Row] = []
    durations: dict[str, float] = {}
    for line, cells in _cells(path):
        rows.append(
            Row(cells["id"], cells["start"], cells["end"], cells["emotion"], cells.get("confidence"), line)
        )
        if cells.get("duration"):
            durations[cells["id"]] = _duration(cells["duration"], durations.get(cells["id"]), path, line)
    return annotations(path, rows, durations, names)


def write(items: Sequence[Annotation], path: Path) -> None:
    """Write annotations; recordings without segments leave no trace, so spell neutral out.

    Raises:
        OutputError: Where the place cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
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
    table = csv.DictReader(io.StringIO(read_text(path)))
    absent = [name for name in _NEEDED if name not in (table.fieldnames or ())]
    if absent:
        raise SegmentError(
            f"no column {', '.join(absent)}. The header is {','.join(_COLUMNS)}; the last two may be absent.",
            path=path,
            line=1,
        )
    for cells in table:
        if any(cells.get(name) is None for name in _NEEDED):
            raise SegmentError("fewer cells than columns.", path=path, line=table.line_num)
        yield table.line_num, cells


def _duration(cell: str, before: float | None, path: Path, line: int) -> float:
    try:
        duration = seconds(cell, "duration")
    except SegmentError as error:
        raise SegmentError(error.message, path=path, line=line) from error
    if before not in (None, duration):
        raise SegmentError(f"duration {duration:g} s, but {before:g} s further up.", path=path, line=line)
    return duration
