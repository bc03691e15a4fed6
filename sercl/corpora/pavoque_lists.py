"""The cutting lists of PAVOQUE: which stretch of a long recording is which prompt."""

from collections.abc import Iterator
from dataclasses import dataclass, field
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
    line: int | None = field(default=None, compare=False)

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
            entries.append(_entry(fields, line))
        except (KeyError, ValueError) as error:
            reason = f"bad entry ({error}); needs {', '.join(_FIELDS)}; costs the utterance"
            problems.append(Problem(path, reason, line=line))
    return entries, problems


def _entry(fields: dict[str, str], line: int) -> Entry:
    for name in _FIELDS:
        if not fields.get(name):
            raise KeyError(name)
    start, end = float(fields["start"]), float(fields["end"])
    if not 0 <= start < end < float("inf"):
        raise ValueError(f"{start} s to {end} s is not a valid time span")
    return Entry(fields["prompt"], fields["style"], start, end, fields.get("text") or None, line)


def _raw_entries(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line and the scalar fields of each entry, from parse events.

    Building objects from the tens of thousands of phone segments would take four times as long, and lose the
    line numbers.
    """
    depth, line, children = 0, 0, list[str]()
    for event in _events(path):
        is_node = isinstance(event, yaml.NodeEvent)
        if depth == 0 and is_node and not isinstance(event, yaml.SequenceStartEvent):
            raise CorpusError(f"{path}: expected a list of entries `prompt, text, style, start, end`.")
        if depth == 1 and is_node:
            line, children = _line(event), []
        elif depth == 2 and is_node:
            children.append(event.value.strip() if isinstance(event, yaml.ScalarEvent) else "")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth == 1 and isinstance(event, yaml.ScalarEvent | yaml.CollectionEndEvent):
            yield line, dict(zip(children[::2], children[1::2], strict=False))


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _events(path: Path) -> Iterator[yaml.Event]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with path.open(encoding="utf-8") as stream:
            yield from yaml.parse(stream, Loader=loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise CorpusError(f"{path}: not readable as YAML ({reason}). Download it again.") from None
