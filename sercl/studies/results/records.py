"""JSON files of a known shape, read as dataclasses; what is wrong is named by file and place."""

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sercl.documents import read_json
from sercl.errors import DocumentError, ResultsError

Record = TypeVar("Record")

_MOST_BYTES = 2**30
"""Of a large study, `study.json` has some ten MB."""


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
"""Type in a message of msgspec -> what readers call it."""


def read_content(path: Path, advice: str) -> dict[str, Any]:
    """Read a file that holds a JSON object.

    Args:
        path: The file.
        advice: What to do about a broken file, a sentence.

    Raises:
        ResultsError: Where it is not there, cannot be read or is no JSON object.
    """
    try:
        content = read_json(path, _MOST_BYTES)
    except FileNotFoundError as error:
        raise ResultsError(path, f"no such file. {advice}") from error
    except OSError as error:
        raise ResultsError(path, f"cannot be read ({error.strerror}). {advice}") from error
    except DocumentError as error:
        raise ResultsError(path, f"{error}. {advice}") from error
    return as_record(content, dict[str, Any], path, advice)


def read_record(path: Path, kind: type[Record], advice: str) -> Record:
    """Read a file as `as_record` reads its content; arguments and errors as there."""
    return as_record(read_content(path, advice), kind, path, advice)


def as_record(content: Any, kind: type[Record], path: Path, advice: str, place: str = "") -> Record:
    """Return the content of a file as a dataclass, or any other type; fields that it lacks are passed over.

    Args:
        content: Plain data.
        kind: The type.
        path: The file, for messages.
        advice: What to do about a broken file, a sentence.
        place: Where the content stands in the file.

    Raises:
        ResultsError: For content of another shape.
    """
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise ResultsError(path, f"{_in_words(str(error), place)}. {advice}") from error


def _in_words(message: str, above: str) -> str:
    """Return a message of msgspec, "Expected `int`, got `str` - at `$.epochs`", in words for a reader."""
    what, _, place = message.partition(" - at `$")
    place = f"{above}{place.rstrip('`')}".removeprefix(".")
    if missing := re.fullmatch(r"Object missing required field `(.+)`", what):
        return f"{place}.{missing[1]} is missing".removeprefix(".")
    for name, word in _TYPES.items():
        what = what.replace(f"`{name}`", word).replace(f"`{name} | null`", f"{word} or null")
    what = f"{what[:1].lower()}{what[1:]}".replace("`", "")
    return f"{place}: {what}" if place else what
