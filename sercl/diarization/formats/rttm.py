"""RTTM (NIST): `SPEAKER id 1 start length <NA> <NA> emotion confidence <NA>`, one segment per line."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sercl.diarization.formats.rows import (
    NO_NAMES,
    Names,
    SegmentRow,
    annotations,
    confidence_of,
    read_text,
    seconds,
    written,
)
from sercl.diarization.segments import Annotation
from sercl.errors import SegmentError
from sercl.files import write_text

_NONE = "<NA>"
_FEWEST_FIELDS = 8
_SEGMENT_TYPE = "SPEAKER"  # the type that all readers of RTTM accept as a labelled segment
_COMMENT = ";;"
WRITTEN = r"\ASPEAKER \S+ 1 \S+ \S+ <NA> <NA> \S+ (\d\.\d{4}|<NA>) <NA>\n"
"""What a file of `write` begins with."""


def read(path: Path, names: Names = NO_NAMES) -> list[Annotation]:
    """Read an RTTM file; only lines of type SPEAKER are segments. The format has no durations.

    Raises:
        SegmentError: With file and line.
    """
    return annotations(path, _rows(path), {}, names)


def write(items: Sequence[Annotation], path: Path) -> None:
    """Write annotations; recordings without segments would be lost, so include neutral segments.

    Raises:
        SegmentError: For an id with a space, which the format cannot store.
        OutputError: If the file cannot be written.
    """
    write_text(path, "".join(line for item in items for line in _lines(item)))


def _rows(path: Path) -> Iterator[SegmentRow]:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        fields = line.split()
        if not fields or line.startswith(_COMMENT) or fields[0] != _SEGMENT_TYPE:
            continue
        if len(fields) < _FEWEST_FIELDS:
            shape = f"{_SEGMENT_TYPE} id 1 start length {_NONE} {_NONE} emotion"
            raise SegmentError(f"{len(fields)} fields; a line is '{shape}'.", path=path, line=number)
        yield _row(fields, path, number)


def _row(fields: Sequence[str], path: Path, line: int) -> SegmentRow:
    try:
        start, length = seconds(fields[3], "start"), seconds(fields[4], "length")
    except SegmentError as error:
        raise SegmentError(error.message, path=path, line=line) from error
    confidence = fields[8] if len(fields) > _FEWEST_FIELDS and fields[8] != _NONE else None
    return SegmentRow(fields[1], start, start + length, fields[7], confidence, line)


def _lines(item: Annotation) -> Iterator[str]:
    if not item.id or item.id.split() != [item.id]:
        raise SegmentError(
            f"recording {item.id!r}: RTTM separates its fields by spaces, so an id cannot contain any. "
            f"Rename the "
            "recording, or choose json, csv, textgrid or audacity."
        )
    for segment in item.segments:
        start, confidence = round(segment.start, 6), confidence_of(segment)
        length = written(round(segment.end, 6) - start)
        score = _NONE if confidence is None else f"{confidence:.4f}"
        fields = (
            _SEGMENT_TYPE,
            item.id,
            "1",
            written(start),
            length,
            _NONE,
            _NONE,
            segment.emotion,
            score,
            _NONE,
        )
        yield " ".join(fields) + "\n"
