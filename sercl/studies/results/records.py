"""JSON files of a known schema, read as dataclasses; errors name the file and the position in it."""

import hashlib
import re
from dataclasses import is_dataclass
from math import nan
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from sercl.documents import parse_json, read_text
from sercl.errors import DocumentError, ResultsError

Record = TypeVar("Record")

RESULTS = "results.json"
"""The results of a run, a layer probe or a diarizer, in its folder."""

CONFIG = "config.yaml"
"""The configuration of a run or a layer probe, in its folder."""

LOG = "log.txt"
"""What a training of several prints, in the folder of its own."""

SOURCE_PREDICTIONS = ("predictions-source-before.csv", "predictions-source-after.csv")
"""Predictions for the source's test part before and after the second of two stages, in a run's folder."""

RUN, PROBE, STUDY, DIARIZATION = "run", "layer probe", "study", "diarization"
"""Kinds of results."""

_MOST_BYTES = 2**30
"""The `study.json` of a large study has about ten MB."""


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
"""Type in a message of msgspec -> its name in error messages."""


def read_content(path: Path, advice: str) -> dict[str, Any]:
    """Read a file that holds a JSON object.

    Args:
        path: The file.
        advice: What to do about a broken file, a sentence.

    Raises:
        ResultsError: If it is missing, cannot be read or is not a JSON object.
    """
    return read_with_digest(path, advice)[0]


def read_with_digest(path: Path, advice: str) -> tuple[dict[str, Any], str]:
    """Read a file as `read_content` does; also return a digest of its text."""
    try:
        text = read_text(path, _MOST_BYTES)
        content = parse_json(text)
    except FileNotFoundError as error:
        raise ResultsError(path, f"no such file. {advice}") from error
    except OSError as error:
        raise ResultsError(path, f"cannot be read ({error.strerror}). {advice}") from error
    except DocumentError as error:
        raise ResultsError(path, f"{error}. {advice}") from error
    return as_record(content, dict[str, Any], path, advice), digest(text)


def kind_of(content: Any) -> str | None:
    """Return the kind of a results file, `RUN`, `PROBE` or `DIARIZATION`; None if it is none of them."""
    kinds = {"systems": DIARIZATION, "results": PROBE, "scores": RUN}
    known = content if isinstance(content, dict) else {}
    return next((kind for key, kind in kinds.items() if key in known), None)


def digest(text: str) -> str:
    """Return the digest of a file's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_record(path: Path, kind: type[Record], advice: str) -> Record:
    """Read a file as `as_record` reads its content; arguments and errors as there."""
    return as_record(read_content(path, advice), kind, path, advice)


def as_record(content: Any, kind: type[Record], path: Path, advice: str, key: str = "") -> Record:
    """Return the content of a file as a dataclass, or any other type; unknown fields are ignored.

    Args:
        content: Plain data.
        kind: The type.
        path: The file, for messages.
        advice: What to do about a broken file, a sentence.
        key: Position of the content in the file.

    Raises:
        ResultsError: If the content does not match.
    """
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as error:
        raise ResultsError(path, f"{_in_words(str(error), key)}. {advice}") from error
    except UnicodeEncodeError as error:
        raise ResultsError(
            path, f"a name in it is not valid Unicode ({error.object!a:.80}). {advice}"
        ) from error


def with_nan(content: Any, kind: Any) -> Any:
    """Return plain data with NaN for every null where a type has a number: JSON has no NaN.

    Args:
        content: Plain data; what does not match the type is left as it is.
        kind: The type, such as a dataclass.
    """
    if content is None:
        return nan if kind is float else None
    parts = get_args(kind)
    if isinstance(content, dict) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return {key: with_nan(value, hints.get(key)) for key, value in content.items()}
    if isinstance(content, dict) and len(parts) == 2 and NoneType not in parts:
        return {key: with_nan(value, parts[1]) for key, value in content.items()}
    if isinstance(content, list) and parts:
        return [with_nan(value, parts[0]) for value in content]
    known = [part for part in parts if part is not NoneType]
    return with_nan(content, known[0]) if len(known) == 1 < len(parts) else content


def _in_words(message: str, above: str) -> str:
    """Rephrase a message of msgspec, "Expected `int`, got `str` - at `$.epochs`", for users."""
    what, _, key = message.partition(" - at `$")
    key = f"{above}{key.rstrip('`')}".removeprefix(".")
    if missing := re.fullmatch(r"Object missing required field `(.+)`", what):
        return f"{key}.{missing[1]} is missing".removeprefix(".")
    for name, word in _TYPES.items():
        what = what.replace(f"`{name}`", word).replace(f"`{name} | null`", f"{word} or null")
    what = f"{what[:1].lower()}{what[1:]}".replace("`", "")
    return f"{key}: {what}" if key else what
