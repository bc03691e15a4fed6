"""Shared by all readers of segment files: turns the rows of a file into checked annotations."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from sercl.corpora.cells import clean, is_missing, key_of
from sercl.corpora.emotion_names import to_emotion
from sercl.corpora.text_files import UnknownEncodingError, decode
from sercl.diarization.segments import Annotation, ScoredSegment
from sercl.errors import SegmentError, UnknownNameError
from sercl.metrics.functional.timeline import timeline


def read_text(path: Path) -> str:
    r"""Return the text of a file, in any encoding that `text_files.decode` recognises; line ends are "\n".

    Raises:
        SegmentError: If the file does not exist or is not text.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SegmentError(f"cannot be read ({error.strerror}). Check the path.", path=path) from error
    try:
        return decode(content).replace("\r\n", "\n").replace("\r", "\n")
    except UnknownEncodingError as error:
        raise SegmentError(f"{error}.", path=path) from error


Names = Mapping[str, str]
"""A tool's own label -> emotion, for labels that are not common words for an emotion ("n" -> "neutral")."""

NO_NAMES: Names = MappingProxyType({})

_MICROSECONDS = 6


class SegmentRow(NamedTuple):
    """One segment as written in a file.

    Attributes:
        id: Recording.
        start: As written, in s.
        end: As written, in s.
        label: As written.
        confidence: As written, None or "" for none.
        line: 1-based, None in formats without lines.
    """

    id: str
    start: object
    end: object
    label: str
    confidence: object = None
    line: int | None = None


def annotations(
    path: Path, rows: Iterable[SegmentRow], durations: Mapping[str, float], names: Names = NO_NAMES
) -> list[Annotation]:
    """Check the rows of a file and group them by recording, in the order of first appearance.

    Names of recordings and labels are converted to their normal form (`corpora.cells`).

    Args:
        path: The file, for messages.
        rows: Its segments, in any order.
        durations: Recording -> length in s, if the file has it; the only place for recordings without
            segments.
        names: A tool's own labels.

    Raises:
        SegmentError: With file and line, for an invalid number or label, and for invalid segments.
    """
    lengths = {clean(id): duration for id, duration in durations.items()}
    own = {key_of(label): emotion for label, emotion in names.items()}
    by_id: dict[str, list[SegmentRow]] = {id: [] for id in lengths}
    for row in rows:
        by_id.setdefault(clean(row.id), []).append(row)
    return [_annotation(path, id, rows, lengths.get(id), own) for id, rows in by_id.items()]


def decimal_point(number: str) -> str:
    """Return a number with a decimal point instead of a comma, for formats whose separator is not a comma."""
    return number.replace(",", ".")


def seconds(value: object, what: str) -> float:
    """Return a time in s, rounded to microseconds.

    Raises:
        SegmentError: For anything but a finite number.
    """
    number = _number(value)
    if not math.isfinite(number):
        raise SegmentError(f"{what} {value!r} is not a time. Give seconds, such as 1.25.")
    return round(number, _MICROSECONDS)


def written(time: float) -> str:
    """Return a time in s as text, to the microsecond and without trailing zeros."""
    return f"{time:.{_MICROSECONDS}f}".rstrip("0").rstrip(".")


def confidence_of(segment: object) -> float | None:
    """Return the confidence of a segment, None without one."""
    return getattr(segment, "confidence", None)


def _annotation(
    path: Path, id: str, rows: list[SegmentRow], duration: float | None, names: Names
) -> Annotation:
    segments = []
    for row in rows:
        try:
            segments.append(_segment(row, names))
        except SegmentError as error:
            raise SegmentError(_named(row, error.message), path=path, line=row.line) from error
    try:
        timeline(segments, duration)
    except SegmentError as error:
        row = rows[error.index or 0]
        raise SegmentError(_named(row, error.message), path=path, line=row.line) from error
    return Annotation(id, tuple(sorted(segments, key=lambda segment: segment.start)), duration)


def _segment(row: SegmentRow, names: Names) -> ScoredSegment:
    try:
        emotion = to_emotion(names.get(key_of(row.label), row.label))
    except UnknownNameError as error:
        raise SegmentError(str(error)) from error
    start, end = seconds(row.start, "start"), seconds(row.end, "end")
    return ScoredSegment(start, end, emotion, _confidence(row.confidence))


def _confidence(value: object) -> float | None:
    if value is None or is_missing(str(value)):
        return None
    number = _number(value)
    if not 0 <= number <= 1:
        raise SegmentError(f"confidence {value!r} is not a probability, 0 to 1.")
    return number


def _number(value: object) -> float:
    try:
        return float(str(value).replace("_", "?"))  # Python reads "1_5" as 15
    except ValueError:
        return math.nan


def _named(row: SegmentRow, message: str) -> str:
    return message if row.line is not None else f"recording {row.id!r}: {message}"
