"""Praat's TextGrid, long and short text form: tiers "emotion" and "confidence", one recording per file.

Parsed here rather than with a library, so that a bad interval is reported with its line.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sercl.corpora.cells import clean, key_of
from sercl.diarization.formats.rows import (
    NO_NAMES,
    Names,
    SegmentRow,
    annotations,
    confidence_of,
    read_text,
    written,
)
from sercl.diarization.segments import Annotation, filled
from sercl.errors import SegmentError
from sercl.files import write_text

# Linear in the length of the text, whatever it contains: flags have a bounded length, and a number matches in
# one way only.
_TOKEN = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"|<(?P<flag>[^>\n]{0,40})>|!(?P<comment>[^\n]*)|(?P<word>[^\s"<!=]+)'
)
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")

WRITTEN = r'\AFile type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = \S+\ntiers\? <exists>\n'
"""What a file of `write` begins with; Praat writes spaces at the ends of these lines."""


class Interval(NamedTuple):
    """An interval: times in s, its text without surrounding spaces, its 1-based line."""

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
        SegmentError: With file and line, if the text is not as expected.
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
            message = f"{number:g} is not a valid number of items. The TextGrid is damaged: save it again."
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
                f"expected a {wanted} but found {found}. The TextGrid is damaged: save it again.",
                path=self.path,
                line=self.line,
            )
        return value


EMOTION, CONFIDENCE = "emotion", "confidence"


def read(path: Path, names: Names = NO_NAMES) -> list[Annotation]:
    """Read the tier "emotion", or the only interval tier; intervals without text are not segments.

    Raises:
        SegmentError: With file and line.
    """
    grid = read_tiers(path)
    tier = _emotion_tier(grid.tiers, path)
    scores = {
        (item.start, item.end): item.text
        for t in grid.tiers
        if key_of(t.name) == CONFIDENCE
        for item in t.intervals
    }
    rows = [
        SegmentRow(path.stem, item.start, item.end, item.text, scores.get((item.start, item.end)), item.line)
        for item in tier.intervals
        if clean(item.text)
    ]
    return annotations(path, rows, {path.stem: grid.end}, names)


def write(item: Annotation, path: Path) -> None:
    """Write the annotation of one recording; without a duration it ends with the last segment.

    Raises:
        SegmentError: For an annotation without duration and segments, since a TextGrid needs a length.
        OutputError: If the file cannot be written.
    """
    if not item.end > 0:
        raise SegmentError(
            f"recording {item.id!r}: without a duration or segments it cannot be a TextGrid. Give its "
            "duration, or include neutral segments."
        )
    write_text(path, "".join(line + "\n" for line in _lines(item)))


def _emotion_tier(tiers: Sequence[Tier], path: Path) -> Tier:
    chosen = [tier for tier in tiers if key_of(tier.name) == EMOTION] or [
        tier for tier in tiers if key_of(tier.name) != CONFIDENCE
    ]
    if len(chosen) != 1:
        found = ", ".join(repr(tier.name) for tier in tiers) or "none"
        raise SegmentError(
            f"there is no single interval tier to read (found: {found}). Name the right one {EMOTION!r}.",
            path=path,
        )
    return chosen[0]


def _lines(item: Annotation) -> Iterator[str]:
    given = {(segment.start, segment.end) for segment in item.segments}
    # Praat needs intervals without gaps; gaps become empty intervals.
    whole = filled(item.segments, item.end)
    times = [(written(segment.start), written(segment.end)) for segment in whole]
    blank = [(segment.start, segment.end) not in given for segment in whole]
    emotions = ["" if empty else segment.emotion for segment, empty in zip(whole, blank, strict=True)]
    tiers = {EMOTION: emotions}
    if any(confidence_of(segment) is not None for segment in item.segments):
        tiers[CONFIDENCE] = [_score(confidence_of(segment)) for segment in whole]
    end = written(item.end)
    yield from ('File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end}")
    yield from ("tiers? <exists>", f"size = {len(tiers)}", "item []:")
    for number, (name, texts) in enumerate(tiers.items(), start=1):
        yield from (f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"')
        yield from ("        xmin = 0", f"        xmax = {end}", f"        intervals: size = {len(texts)}")
        for index, ((start, stop), text) in enumerate(zip(times, texts, strict=True), start=1):
            yield from (f"        intervals [{index}]:", f"            xmin = {start}")
            yield from (f"            xmax = {stop}", f'            text = "{text}"')


def _score(confidence: float | None) -> str:
    return "" if confidence is None else f"{confidence:.4f}"
