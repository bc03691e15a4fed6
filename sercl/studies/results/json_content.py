"""Reading JSON of a known shape: whatever is wrong is named by file and place, with what to do."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sercl.documents import read_json
from sercl.errors import DocumentError, ResultsError

_MOST_BYTES = 2**30
"""Of a large study, `study.json` has some ten MB."""


class JsonContent:
    """A JSON object, and where it stands.

    Args:
        values: The object.
        path: Its file, for messages.
        place: Where it stands in the file ("cells[3]"), "" for the whole.
        advice: What to do about a broken file, a sentence.
    """

    def __init__(self, values: Any, path: Path, place: str, advice: str) -> None:
        self.path, self.place, self.advice = path, place, advice
        if not isinstance(values, dict):
            raise self._error(f"{place or 'the file'} is {_shown(values)}, not an object")
        self.values: Mapping[str, Any] = values

    @classmethod
    def read(cls, path: Path, advice: str) -> "JsonContent":
        """Read a file.

        Raises:
            ResultsError: Where it is not there, cannot be read or is not a JSON object.
        """
        try:
            return cls(read_json(path, _MOST_BYTES), path, "", advice)
        except FileNotFoundError as error:
            raise ResultsError(path, f"no such file. {advice}") from error
        except OSError as error:
            raise ResultsError(path, f"cannot be read ({error.strerror}). {advice}") from error
        except DocumentError as error:
            raise ResultsError(path, f"{error}. {advice}") from error

    def text(self, key: str) -> str:
        """Return a string."""
        return str(self._typed(key, str, "a text"))

    def optional_text(self, key: str) -> str | None:
        """Return a string or None."""
        return None if self._value(key) is None else self.text(key)

    def integer(self, key: str) -> int:
        """Return a whole number."""
        return int(self._typed(key, int, "a whole number"))

    def optional_integer(self, key: str) -> int | None:
        """Return a whole number or None."""
        return None if self._value(key) is None else self.integer(key)

    def number(self, key: str) -> float:
        """Return a number."""
        return float(self._typed(key, (int, float), "a number"))

    def optional_number(self, key: str) -> float | None:
        """Return a number or None."""
        return None if self._value(key) is None else self.number(key)

    def optional_flag(self, key: str) -> bool | None:
        """Return a boolean or None."""
        value = self._value(key)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(key, value, "true, false or null")
        return value

    def one_of(self, key: str, legal: tuple[str, ...]) -> str:
        """Return a string out of a closed list."""
        value = self.text(key)
        if value not in legal:
            raise self._wrong(key, value, ", ".join(legal))
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings."""
        value = self._typed(key, list, "a list of texts")
        if not all(isinstance(item, str) for item in value):
            raise self._wrong(key, value, "a list of texts")
        return tuple(value)

    def optional_texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings, which may be left out."""
        return self.texts(key) if key in self.values else ()

    def mapping(self, key: str) -> dict[str, Any]:
        """Return an object as it stands."""
        return dict(self.child(key).values)

    def child(self, key: str) -> "JsonContent":
        """Return an object."""
        return JsonContent(self._value(key), self.path, self._at(key), self.advice)

    def children(self, key: str) -> dict[str, "JsonContent"]:
        """Return an object of objects."""
        inner = self.child(key)
        return {name: inner.child(name) for name in inner.values}

    def items(self, key: str) -> Iterator["JsonContent"]:
        """Yield the objects of a list."""
        for index, value in enumerate(self._typed(key, list, "a list")):
            yield JsonContent(value, self.path, f"{self._at(key)}[{index}]", self.advice)

    def _value(self, key: str) -> Any:
        if key not in self.values:
            raise self._error(f"{self._at(key)} is missing")
        return self.values[key]

    def _typed(self, key: str, kind: Any, name: str) -> Any:
        value = self._value(key)
        # A bool is an int to Python, not to a reader of the file.
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self._wrong(key, value, name)
        return value

    def _wrong(self, key: str, value: Any, legal: str) -> ResultsError:
        return self._error(f"{self._at(key)} is {_shown(value)}; valid: {legal}")

    def _at(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key

    def _error(self, reason: str) -> ResultsError:
        return ResultsError(self.path, f"{reason}. {self.advice}")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
