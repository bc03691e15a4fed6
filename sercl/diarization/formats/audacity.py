"""Audacity's label track: `start TAB end TAB emotion`, one segment per line, one recording per file."""

from collections.abc import Iterator
from pathlib import Path

from sercl.diarization.formats.rows import NO_NAMES, Names, SegmentRow, annotations, decimal_point, read_text
from sercl.diarization.segments import Annotation
from sercl.errors import SegmentError
from sercl.files import write_text

_FREQUENCIES = "\\"  # a second line of a label, with the selected frequencies
WRITTEN = r"\A0\.000000\t\d+\.\d{6}\t\w+\n"
"""What a file of `write` begins with if it holds all of a recording."""


def read(path: Path, names: Names = NO_NAMES) -> list[Annotation]:
    """Read a label track; the recording is named after the file. The format has no duration or confidence.

    Decimal commas, as some versions write, are accepted.

    Raises:
        SegmentError: With file and line.
    """
    found = annotations(path, _rows(path), {}, names)
    return found or [Annotation(path.stem, ())]


def write(item: Annotation, path: Path) -> None:
    """Write the annotation of one recording.

    Raises:
        OutputError: If the file cannot be written.
    """
    lines = (f"{segment.start:.6f}\t{segment.end:.6f}\t{segment.emotion}\n" for segment in item.segments)
    write_text(path, "".join(lines))


def _rows(path: Path) -> Iterator[SegmentRow]:
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip() or line.startswith(_FREQUENCIES):
            continue
        fields = line.split("\t")
        if len(fields) != 3:
            raise SegmentError(
                f"{len(fields)} fields; a line is 'start TAB end TAB emotion'.", path=path, line=number
            )
        start, end = (decimal_point(field) for field in fields[:2])
        yield SegmentRow(path.stem, start, end, fields[2], None, number)
