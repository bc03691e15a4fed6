"""A recording's emotions over time as lines of text: blocks in colours on a terminal, else letters."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType

from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.text import Text

from sercl.corpora.labels import EMOTIONS
from sercl.diarization.formats.rows import confidence_of
from sercl.diarization.segments import NEUTRAL, Annotation
from sercl.reports.style import table

COLOURS: Mapping[str, str] = MappingProxyType(
    {
        # The frequent ones are distinguishable by colour-blind readers, too.
        "angry": "#d1432f",
        "happy": "#e0990b",
        "neutral": "#9aa5ae",
        "sad": "#2f6fb5",
        "fearful": "#7a4da0",
        "disgusted": "#5b8c33",
        "surprised": "#12918c",
        "calm": "#6aa5c9",
        "bored": "#8a7a66",
        "excited": "#e8722a",
    }
)
_OTHERS = ("#b0498a", "#4a5a8c", "#a0622d", "#3f7f5f", "#86613f")


def colour(emotion: str) -> str:
    """Return the colour of an emotion or class as "#rrggbb"."""
    if emotion in COLOURS:
        return COLOURS[emotion]
    column = EMOTIONS.index(emotion) if emotion in EMOTIONS else sum(emotion.encode())
    return _OTHERS[column % len(_OTHERS)]


def in_order(names: Iterable[str]) -> list[str]:
    """Return each name once: emotions in the order of classes, other names, and neutral, which fills gaps."""
    places = {name: place for place, name in enumerate(EMOTIONS)}
    return sorted(set(names), key=lambda name: (name == NEUTRAL, places.get(name, len(places)), name))


def ticks(duration: float) -> list[tuple[float, str]]:
    """Return (position in %, label) of at most a dozen round times."""
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    step = next((step for step in steps if duration / step <= 10), steps[-1])
    # The last label would be cut off at the edge.
    times = [index * step for index in range(int(0.97 * duration / step + 1e-9) + 1)]
    return [(100 * time / duration, clock(time, 1 if step < 1 else 0)) for time in times]


_MOST_ROWS = 8
_ROW_SECONDS = (60, 120, 300, 600, 900, 1800, 3600, 7200)
_FULL, _LINE, _PAUSE = "█", "─", " "
_COMMON = tuple(name for name in EMOTIONS if name != NEUTRAL)
_SPARE = "123456789XYZ"
"""Signs of emotions whose letters are taken."""
_SURE = 0.5
"""Mean probability above which no other emotion can have more."""
_LONGEST_WHOLE = 60.0
"""Recordings up to this long, in s, are a single row."""


WRITTEN = "Start +End +Seconds +Emotion +Confidence *\n +(─){20}"
"""Regular expression for what is in every file that `recording_text` was written to."""


def recording_text(item: Annotation, name: str, width: int = 100, most: int | None = None) -> RenderableType:
    """Return heading, timeline and table of segments of one recording.

    Args:
        item: Its segments, including neutral ones.
        name: The file.
        width: Columns of the timeline.
        most: Maximum number of segments to list; the others are counted. None for all.
    """
    found = summary(item)
    heading = Text.assemble((name, "bold"), f"  {clock(item.end)}  ", (found, "dim"))
    return Group(heading, Timeline(item, width), segments_table(item, most))


@dataclass(frozen=True)
class Timeline:
    """The rows of `timeline_text` and their legend, in colours where they are shown.

    Attributes:
        item: The recording.
        width: Columns.
    """

    item: Annotation
    width: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the rows and the legend."""
        names = in_order(segment.emotion for segment in self.item.segments if segment.emotion != NEUTRAL)
        without_colours = console.no_color or console.color_system is None
        signs = letters(names) if without_colours else dict.fromkeys(names, _FULL)
        yield timeline_text(self.item, self.width, signs)
        if names:
            yield _legend(names, signs, bool(self.item.pauses))


def letters(names: Sequence[str]) -> dict[str, str]:
    """Return emotion -> a letter of its own, the same in every recording for those that sercl knows."""
    found: dict[str, str] = {}
    for name in dict.fromkeys((*_COMMON, *names)):
        free = [sign for sign in (*name.upper(), *_SPARE) if sign.isalnum() and sign not in found.values()]
        found[name] = next(iter(free), _FULL)
    return {name: found[name] for name in names}


def _legend(names: Sequence[str], signs: Mapping[str, str], has_pauses: bool) -> RenderableType:
    entries = [Text(f"{signs[name]} {name}", style=colour(name)) for name in names]
    entries.append(Text(f"{_LINE} {NEUTRAL}", style="dim"))
    if has_pauses:
        entries.append(Text("blank: no speech", style="dim"))
    return Columns(entries, padding=(0, 3))  # breaks lines between entries only


def summary(item: Annotation) -> str:
    """Return the time of each emotion, neutral last, or that there is none.

    Such as "angry 1.2 s (24 %), neutral 3.8 s (76 %)".
    """
    seconds: dict[str, float] = {}
    for segment in item.events:
        seconds[segment.emotion] = seconds.get(segment.emotion, 0.0) + segment.end - segment.start
    if not seconds:
        return "neutral throughout"
    seconds[NEUTRAL] = max(0.0, item.end - sum(seconds.values()))
    shown = ((name, seconds[name]) for name in in_order(seconds))
    return ", ".join(f"{name} {time:.1f} s ({100 * time / item.end:.0f} %)" for name, time in shown)


def timeline_text(
    item: Annotation, width: int = 100, signs: Mapping[str, str] = MappingProxyType({})
) -> Text:
    """Return rows of equal time, each with its start time, and a scale below a single row.

    Args:
        item: The recording.
        width: Columns.
        signs: Emotion -> the character that its events are filled with; a block for others.
    """
    duration = item.end
    seconds = row_seconds(duration)
    lead = len(clock(duration)) + 2
    cells = max(10, width - lead)
    lines = []
    for index in range(max(1, math.ceil(duration / seconds - 1e-9))):
        start = index * seconds
        share = min(1.0, (duration - start) / seconds)
        names = list(cell_names(item, start, start + share * seconds, max(1, round(share * cells))))
        lines.append(Text.assemble((f"{clock(start):>{lead - 2}}  ", "dim"), _row(names, signs)))
    if len(lines) == 1:
        lines.append(Text(" " * lead + scale(duration, cells), style="dim"))
    return Text("\n").join(lines)


def row_seconds(duration: float) -> float:
    """Return the time per row: all of a short recording, else a round number that gives few rows."""
    if duration <= _LONGEST_WHOLE:
        return duration or 1.0
    return next((row for row in _ROW_SECONDS if duration / row <= _MOST_ROWS), _ROW_SECONDS[-1])


def cell_names(item: Annotation, start: float, end: float, cells: int) -> Iterator[str]:
    """Yield the most frequent label in each of equal cells: an emotion, or "" for non-speech."""
    step = (end - start) / cells
    for cell in range(cells):
        first, last = start + cell * step, start + (cell + 1) * step
        times = {segment.emotion: 0.0 for segment in item.segments}
        for segment in item.segments:
            times[segment.emotion] += _overlap(segment.start, segment.end, first, last)
        silent = sum(_overlap(*pause, first, last) for pause in item.pauses)
        name = max(times, key=times.__getitem__, default=NEUTRAL)
        yield "" if name == NEUTRAL and silent > (last - first) / 2 else name


def scale(duration: float, cells: int) -> str:
    """Return a line with times for a row of `cells` that cover `duration` s."""
    step = next(step for step in _steps() if duration / step * 8 <= max(cells, 8))
    line = [" "] * cells
    for index in range(int(duration / step + 1e-9) + 1):
        mark = f"{index * step:g} s" if index * step < 60 else clock(index * step)
        column = min(round(index * step / (duration or 1.0) * cells), cells - len(mark))
        if column >= 0 and not "".join(line[max(0, column - 1) : column + len(mark)]).strip():
            line[column : column + len(mark)] = mark
    return "".join(line).rstrip()


def segments_table(item: Annotation, most: int | None = None) -> RenderableType:
    """Return a row per segment, neutral ones dim, and how many there are beyond the first `most`."""
    numbers = ("Start", "End", "Seconds", "Confidence")
    grid = table("Start", "End", "Seconds", "Emotion", "Confidence", numbers=numbers)
    for segment in item.segments[:most]:
        confidence = confidence_of(segment)
        style = "dim" if segment.emotion == NEUTRAL else ""
        grid.add_row(
            clock(segment.start, 2),
            clock(segment.end, 2),
            f"{segment.end - segment.start:.2f}",
            Text(segment.emotion, style=style or f"bold {colour(segment.emotion)}"),
            "-" if confidence is None else f"{confidence:.2f}",
            style=style,
        )
    below = [Text(f"  {line}", style="dim") for line in _lines_below(item, most)]
    return Group(grid, *below) if below else grid


def _lines_below(item: Annotation, most: int | None) -> Iterator[str]:
    shown = item.segments[:most]
    if left := len(item.segments) - len(shown):
        yield f"and {left} more (all of them: --format csv, json, ...)"
    if any((confidence_of(segment) or 1.0) < _SURE for segment in shown):
        yield (
            "Confidence: mean probability of the emotion in the segment, before smoothing. Below "
            f"{_SURE:.2f}, other emotions may be more probable in parts of it, but not consistently."
        )


def clock(seconds: float, decimals: int = 0) -> str:
    """Return a time as "0:05", "12:05.25" or "1:02:05"."""
    rounded = round(seconds, decimals)
    minutes, rest = divmod(rounded, 60)
    hours, minutes = divmod(int(minutes), 60)
    tail = f"{rest:0{3 + decimals if decimals else 2}.{decimals}f}"
    return f"{hours}:{minutes:02}:{tail}" if hours else f"{minutes}:{tail}"


def _row(names: Sequence[str], signs: Mapping[str, str]) -> Text:
    row = Text()
    for name, run in groupby(names):
        length = sum(1 for _ in run)
        if name in ("", NEUTRAL):
            row.append((_LINE if name else _PAUSE) * length, style="dim")
        else:
            row.append(_labelled(name, length, signs.get(name, _FULL)), style=colour(name))
    return row


def _labelled(name: str, length: int, sign: str) -> str:
    """Return an event of `length` cells, its name inside if it fits."""
    if length < len(name) + 4:
        return sign * length
    return f" {name} ".center(length, sign)


def _overlap(start: float, end: float, first: float, last: float) -> float:
    return max(0.0, min(end, last) - max(start, first))


def _steps() -> Iterator[float]:
    for power in range(-2, 6):
        for base in (1, 2, 5):
            yield base * 10.0**power
