"""The cells of a manifest that are more than a word: numbers, splits and segments."""

import json
import math
from collections.abc import Mapping

from sercl.corpora.base import Segment
from sercl.corpora.emotion_names import to_emotion
from sercl.errors import CorpusError, UnknownNameError

_SPLITS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "eval": "validation",
    "evaluation": "validation",
    "test": "test",
    "testing": "test",
}
_SHAPE = '[{"emotion": "sad", "start": 0.5, "end": 1.2}]'


class BadCellError(CorpusError):
    """A cell that does not hold what its column says; the text names the legal values."""


def text(cell: object) -> str:
    """Return a cell as text: numbers and lists, which JSON and Parquet know, as JSON writes them."""
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False, default=str)


def interval(cells: Mapping[str, object]) -> tuple[float | None, float | None]:
    """Return `start` and `end` in seconds, None where not given.

    Raises:
        BadCellError: For no number, a negative or infinite one, or an end that is not after the start.
    """
    start, end = (seconds(cells[name], name) if name in cells else None for name in ("start", "end"))
    if end is not None and end <= (start or 0.0):
        raise BadCellError(f"end {end} s is not after start {start or 0.0} s. Mend one of them.")
    return start, end


def seconds(cell: object, name: str) -> float:
    """Return a time in seconds.

    Raises:
        BadCellError: For anything but a finite number of at least 0.
    """
    try:
        number = float(text(cell))
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise BadCellError(f"{name} {text(cell)!r} is not a time. Give seconds, 0 or more, such as 1.25.")
    return number


def split_name(cell: object) -> str | None:
    """Return "train", "validation" or "test", None for an empty cell.

    Raises:
        UnknownNameError: For another word.
    """
    if cell is None:
        return None
    name = text(cell).strip().lower()
    if name not in _SPLITS:
        raise UnknownNameError("split", text(cell), ("train", "validation", "test"))
    return _SPLITS[name]


def segments(cell: object) -> tuple[Segment, ...]:
    """Return emotion events from JSON text or from a list of maps.

    Raises:
        BadCellError: For another shape, a bad time, or an end that is not after its start.
        UnknownNameError: For an emotion that is none.
    """
    if cell is None:
        return ()
    events = _parsed(cell) if isinstance(cell, str) else cell
    if not isinstance(events, list):
        raise BadCellError(f"segments {text(cell)!r} is not a list of events. Write {_SHAPE}.")
    return tuple(_segment(event) for event in events)


def _parsed(cell: str) -> object:
    try:
        return json.loads(cell)
    except json.JSONDecodeError as error:
        raise BadCellError(f"segments {cell!r} is not JSON ({error.msg}). Write {_SHAPE}.") from None


def _segment(event: object) -> Segment:
    if not isinstance(event, dict) or set(event) != {"emotion", "start", "end"}:
        raise BadCellError(f"segment {text(event)} needs exactly emotion, start and end. Write {_SHAPE}.")
    start, end = interval(event)
    if start is None or end is None:
        raise BadCellError(f"segment {text(event)} needs a start and an end. Write {_SHAPE}.")
    return Segment(start, end, to_emotion(text(event["emotion"])))
