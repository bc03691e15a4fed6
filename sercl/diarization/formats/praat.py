"""The tokens and tiers of Praat's text files.

Praat reads numbers, quoted strings and flags that stand free, in a fixed order, and passes over everything
else ("xmin =", "intervals [1]:") and over comments; so the long and the short form are read alike. Source:
the page "TextGrid file formats" of Praat's manual.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sercl.diarization.formats.text import read_text
from sercl.errors import SegmentError

# In time proportional to the text, whatever stands in it: a flag has an end in sight, and a number is read in
# one way only.
_TOKEN = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"|<(?P<flag>[^>\n]{0,40})>|!(?P<comment>[^\n]*)|(?P<word>[^\s"<!=]+)'
)
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")


class Interval(NamedTuple):
    """An interval: times in s, its text without blanks around it, its 1-based line."""

    start: float
    end: float
    text: str
    line: int


class Tier(NamedTuple):
    """An interval tier."""

    name: str
    intervals: tuple[Interval, ...]


class Grid(NamedTuple):
    """A TextGrid: its end in s and its interval tiers; point tiers hold no segments and are left out."""

    end: float
    tiers: tuple[Tier, ...]


def read_tiers(path: Path) -> Grid:
    """Read a TextGrid in text form.

    Raises:
        SegmentError: With file and line, where something else stands than must come next.
    """
    tokens = _Tokens(path, _tokens(read_text(path)))
    if (tokens.text(), tokens.text()) != ("ooTextFile", "TextGrid"):
        raise SegmentError(
            "is not a TextGrid in text form. Save it in Praat as text file.", path=path, line=1
        )
    tokens.number()
    end = tokens.number()
    if tokens.flag() != "exists":
        return Grid(end, ())
    tiers = [_tier(tokens) for _ in range(tokens.count())]
    return Grid(end, tuple(tier for tier in tiers if tier is not None))


def _tier(tokens: "_Tokens") -> Tier | None:
    kind, name = tokens.text(), tokens.text()
    tokens.number(), tokens.number()
    count = tokens.count()
    if kind == "IntervalTier":
        return Tier(name, tuple(_interval(tokens) for _ in range(count)))
    for _ in range(count):
        tokens.number(), tokens.text()
    return None


def _interval(tokens: "_Tokens") -> Interval:
    start, line = tokens.number(), tokens.line
    return Interval(start, tokens.number(), tokens.text().strip(), line)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield (kind, value, line) of strings, flags and numbers."""
    line, seen = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", seen, match.start())
        seen = match.start()
        kind, value = str(match.lastgroup), match[str(match.lastgroup)]
        if kind == "word" and _NUMBER.fullmatch(value):
            yield "number", value, line
        elif kind in ("text", "flag"):
            yield kind, value.replace('""', '"'), line


_MOST = 10_000_000


@dataclass
class _Tokens:
    path: Path
    rest: Iterator[tuple[str, str, int]]
    line: int = 1

    def number(self) -> float:
        return float(self._next("number"))

    def count(self) -> int:
        number = self.number()
        if not 0 <= number <= _MOST:
            message = f"{number:g} is not a valid number of items. The TextGrid is damaged: save it anew."
            raise SegmentError(message, path=self.path, line=self.line)
        return int(number)

    def text(self) -> str:
        return self._next("text")

    def flag(self) -> str:
        return self._next("flag")

    def _next(self, wanted: str) -> str:
        kind, value, self.line = next(self.rest, ("end of the file", "", self.line))
        if kind != wanted:
            found = f"{kind} {value!r}" if value else kind
            raise SegmentError(
                f"expected a {wanted} but found {found}. The TextGrid is damaged: save it anew.",
                path=self.path,
                line=self.line,
            )
        return value
