"""Cells of a manifest that are not plain words: numbers, splits and segments."""

import math
import re
from collections.abc import Mapping

from sercl.corpora.base import PARTS, Segment
from sercl.corpora.cells import is_missing, key_of, text_of, word_of
from sercl.corpora.emotion_names import to_emotion
from sercl.documents import parse_json
from sercl.errors import CorpusError, DocumentError, UnknownNameError

_SPLITS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "devel": "validation",
    "development": "validation",
    "eval": "validation",
    "evaluation": "validation",
    "test": "test",
    "testing": "test",
}
_NO_TIME = "NaT"  # of pandas
_CLOCK = re.compile(
    r"(?:([0-9]{1,4}) days? )?([0-9]{1,4}):([0-5]?[0-9]):([0-5]?[0-9](?:\.[0-9]+)?)", re.ASCII
)
_SHAPE = '[{"emotion": "sad", "start": 0.5, "end": 1.2}]'


class BadCellError(CorpusError):
    """An invalid cell of its column; the message names the valid values."""


def interval(
    cells: Mapping[str, object], *, decimal_comma: bool = False
) -> tuple[float | None, float | None]:
    """Return `start` and `end` in seconds, None where not given.

    Args:
        cells: Cells by column.
        decimal_comma: Whether "1,5" is 1.5, for tables whose cells are not separated by commas.

    Raises:
        BadCellError: For a cell that is not a number, is negative or infinite, or an end that is not after
            the start.
    """
    start, end = (_time(cells.get(name), name, decimal_comma) for name in ("start", "end"))
    if end is not None and end <= (start or 0.0):
        raise BadCellError(f"end {end} s is not after start {start or 0.0} s. Fix one of them.")
    return start, end


def _time(cell: object, name: str, decimal_comma: bool) -> float | None:
    word = word_of(cell)
    if word is None or word == _NO_TIME:
        return None
    return seconds(word.replace(",", ".") if decimal_comma else word, name)


def seconds(cell: object, name: str) -> float:
    """Return a time in seconds; "0:01:02.5" and "0 days 00:01:02.5", as pandas writes it, are 62.5.

    Raises:
        BadCellError: For anything but a finite number of at least 0.
    """
    try:
        clock = _clock(text_of(cell))
        # Python reads "1_5" as 15.
        number = float(text_of(cell).replace("_", "?")) if clock is None else clock
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise BadCellError(f"{name} {text_of(cell)!r} is not a time. Give seconds, 0 or more, such as 1.25.")
    return number


def _clock(text: str) -> float | None:
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def path_of(cell: object) -> str | None:
    """Return the path in a cell, also from a map as Hugging Face writes for audio; None for an empty cell.

    Raises:
        BadCellError: For audio data instead of a path.
    """
    if isinstance(cell, Mapping) and cell.keys() & {"path", "bytes", "array"}:
        if cell.get("bytes") is not None or cell.get("array") is not None:
            raise BadCellError(
                "the cell 'path' contains audio data. Read the table's folder with --data HuggingFace."
            )
        cell = cell.get("path")
    return None if cell is None else text_of(cell)


def split_name(cell: object) -> str | None:
    """Return "train", "validation" or "test", None for an empty cell.

    Raises:
        UnknownNameError: For another word.
    """
    word = word_of(cell)
    if word is None:
        return None
    name = key_of(word).rstrip(".")
    if name not in _SPLITS:
        raise UnknownNameError("split", text_of(cell), PARTS)
    return _SPLITS[name]


def segments(cell: object) -> tuple[Segment, ...]:
    """Return emotion events from JSON text or from a list of maps.

    Raises:
        BadCellError: For another shape, a bad time, or an end that is not after its start.
        UnknownNameError: For an unknown emotion.
    """
    if cell is None or (isinstance(cell, str) and is_missing(cell)):
        return ()
    events = _parsed(cell) if isinstance(cell, str) else cell
    if not isinstance(events, list):
        raise BadCellError(f"segments {text_of(cell)!r} is not a list of events. Write {_SHAPE}.")
    return tuple(_segment(event) for event in events)


def _parsed(cell: str) -> object:
    try:
        return parse_json(cell)
    except DocumentError as error:
        raise BadCellError(f"segments {cell[:200]!r} {error.reason}. Write {_SHAPE}.") from None


def _segment(event: object) -> Segment:
    if not isinstance(event, dict) or set(event) != {"emotion", "start", "end"}:
        raise BadCellError(f"segment {text_of(event)} needs exactly emotion, start and end. Write {_SHAPE}.")
    start, end = seconds(event["start"], "start"), seconds(event["end"], "end")
    interval(event)
    return Segment(start, end, to_emotion(text_of(event["emotion"])))
