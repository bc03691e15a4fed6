"""The cutting lists of PAVOQUE: which stretch of a long recording is which prompt."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from sercl.corpora.base import Problem
from sercl.errors import CorpusError

_FIELDS = ("prompt", "style", "start", "end")


@dataclass(frozen=True)
class Entry:
    """One entry of a cutting list; `start` and `end` are seconds in the recording."""

    prompt: str
    style: str
    start: float
    end: float
    text: str | None

    @property
    def name(self) -> str:
        """The utterance's usual name, which is also the stem of its cut wav."""
        return f"{self.prompt}-{self.style}"


def read_list(path: Path) -> tuple[list[Entry], list[Problem]]:
    """Read a cutting list; the phone segments of its entries are skipped.

    Returns:
        The sound entries in the order of the file, and a problem with its line for each other one.

    Raises:
        CorpusError: Where the file is not a YAML list.
    """
    entries: list[Entry] = []
    problems = []
    for line, fields in _raw_entries(path):
        try:
            entries.append(_entry(fields))
        except (KeyError, ValueError) as error:
            reason = f"bad entry ({error}); needs {', '.join(_FIELDS)}; costs the utterance"
            problems.append(Problem(path, reason, line=line))
    return entries, problems


def _entry(fields: dict[str, str]) -> Entry:
    for name in _FIELDS:
        if not fields.get(name):
            raise KeyError(name)
    start, end = float(fields["start"]), float(fields["end"])
    if not 0 <= start < end < float("inf"):
        raise ValueError(f"{start} s to {end} s is no stretch of time")
    return Entry(fields["prompt"], fields["style"], start, end, fields.get("text") or None)


def _raw_entries(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    # Composing stops before the half million segments are turned into objects, and keeps the line numbers.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with path.open(encoding="utf-8") as stream:
            document = yaml.compose(stream, Loader=loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: not readable as YAML ({error}). Download it again.") from None
    if not isinstance(document, yaml.SequenceNode):
        raise CorpusError(f"{path}: expected a list of entries `prompt, text, style, start, end`.")
    for node in document.value:
        yield node.start_mark.line + 1, _scalars(node)


def _scalars(node: yaml.Node) -> dict[str, str]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value.value.strip() for key, value in node.value if isinstance(value, yaml.ScalarNode)}
