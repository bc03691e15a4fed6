"""The comparison of listeners as one self-contained HTML page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from markupsafe import Markup

from sercl.listening.comparison.against import AgainstModel
from sercl.listening.comparison.answers import Measure
from sercl.listening.comparison.compare import Comparison
from sercl.metrics.functional.intervals import SIGNIFICANT
from sercl.reports.cross_eval.html import heat
from sercl.reports.cross_eval.svg import (
    MOST_SERIES,
    difference_picture,
    line,
    marker,
    path,
    picture,
    polyline,
    render,
    text,
)
from sercl.reports.listening.marks import emotions, pictures
from sercl.reports.listening.tables import SEGMENTS_HEADING, intervals_note, sections
from sercl.reports.listening.wording import in_percent, in_points, place, summary
from sercl.reports.rendering import page_environment
from sercl.reports.results import row_shares
from sercl.version import __version__

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460.0, 250.0, 40.0, 14.0, 12.0, 40.0
ASIDE = 6.0
"""How far apart the intervals of two groups are drawn."""
STEP = 0.1


@dataclass(frozen=True)
class Difference:
    """A difference with its picture."""

    kind: str
    name: str
    text: str
    picture: Markup
    is_clear: bool


def html_report(own: Comparison, title: str, facts: Sequence[tuple[str, str]], command: str) -> str:
    """Return the page.

    Args:
        own: The comparison.
        title: Its heading.
        facts: (name, value) shown below the heading.
        command: The command that wrote it.
    """
    environment = page_environment("sercl.reports.listening")
    environment.globals |= {"heat": heat, "slug": _slug}
    content: dict[str, Any] = {
        "title": title,
        "facts": facts,
        "summary": summary(own),
        "notes": own.notes,
        "sections": {heading: tables for heading, tables in sections(own).items() if heading != "Confusions"},
        "confusions": [
            (_caption(row), row, row_shares(row.confusion)) for row in own.groups if row.confusion
        ],
        "against": _by_group(_drawn(_of_models(own)), [row.group for row in own.models]),
        "contrasts": _drawn(_of_contrasts(own)),
        "errors": _drawn(_of_errors(own)),
        "segments_heading": SEGMENTS_HEADING,
        "pictures": pictures(own.segments) if own.segments else [],
        "emotions": emotions(own.segments) if own.segments else [],
        "majorities": Markup(majority_chart(own)) if own.majorities else "",
        "has_models": bool(_beside_majorities(own)),
        "series": list(enumerate(own.majorities)),
        "swatch": lambda series: marker(series, 12, 6, 4),
        "most_series": MOST_SERIES,
        "intervals": intervals_note(own),
        "command": command,
        "version": __version__,
    }
    return environment.get_template("report.html").render(content)


def _slug(heading: str) -> str:
    return "-".join(heading.lower().replace(",", "").split())


def _caption(row: Any) -> str:
    return f"{row.group}, {place(row)}: UAR {in_percent(row.uar)} %"


Tested = tuple[str, str, Measure, bool]
"""Kind, name, difference, and whether it is significant."""


def _of_models(own: Comparison) -> list[Tested]:
    return [
        ("listeners minus model", f"{row.group} − {row.model}", row.difference, row.p_holm < SIGNIFICANT)
        for row in own.models
    ]


def _of_contrasts(own: Comparison) -> list[Tested]:
    return [(row.kind, row.name, row.difference, row.p_holm < SIGNIFICANT) for row in own.contrasts]


def _of_errors(own: Comparison) -> list[Tested]:
    return [
        ("listeners minus model", f"{row.group} − {row.model}", row.difference, row.p_holm < SIGNIFICANT)
        for row in (own.segments.against if own.segments else ())
        if row.difference is not None
    ]


def _drawn(rows: Sequence[Tested]) -> tuple[float, list[Difference]]:
    """Return the scale, and every tested difference with its picture."""
    ends = [abs(end) for *_, score, _ in rows for end in (score.value, score.low, score.high) if end == end]
    reach = math.ceil(max([STEP, *ends]) / STEP - 1e-9) * STEP
    return reach, [
        Difference(
            kind,
            name,
            in_points(score),
            Markup(difference_picture((score.value, score.low, score.high), reach, is_clear)),
            is_clear,
        )
        for kind, name, score, is_clear in rows
    ]


def _by_group(
    drawn: tuple[float, list[Difference]], groups: Sequence[str]
) -> list[tuple[str, tuple[float, list[Difference]]]]:
    """Return the differences of each group from models under its name, on one scale."""
    reach, rows = drawn
    return [
        (group, (reach, [row for row, whose in zip(rows, groups, strict=True) if whose == group]))
        for group in dict.fromkeys(groups)
    ]


def majority_chart(own: Comparison) -> str:
    """Return the picture of majorities: UAR over the number of listeners, and models as lines."""
    sizes = sorted({size for curve in own.majorities.values() for size in curve})
    values = [
        each.value if math.isnan(each.low) else max(each.low, 0.0)
        for curve in own.majorities.values()
        for each in curve.values()
    ]
    beside = _beside_majorities(own)
    values += [row.machine.value for row in beside]
    bottom = math.floor(10 * min(values)) / 10
    svg = picture(WIDTH, HEIGHT, "UAR of the majority over the number of listeners")

    def x(size: int, aside: float = 0.0) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (sizes.index(size) + 0.5) / len(sizes) + aside

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value) / max(1 - bottom, 0.1)

    _axes(svg, [(x(size), str(size)) for size in sizes], [(y(v), v) for v in _ticks(bottom)])
    for series, (group, curve) in enumerate(own.majorities.items()):
        style = f"s{series % MOST_SERIES}"
        aside = ASIDE * (series - (len(own.majorities) - 1) / 2)
        path(
            svg, polyline([(x(size, aside), y(each.value)) for size, each in curve.items()]), f"line {style}"
        )
        for size, each in curve.items():
            if not math.isnan(each.low):
                ends = y(max(each.low, bottom)), y(min(each.high, 1))
                line(svg, (x(size, aside), ends[0]), (x(size, aside), ends[1]), f"line {style}")
            tip = f"{group}, {size}: {in_percent(each)} %"
            path(svg, marker(series, x(size, aside), y(each.value)), f"marker {style}", tip)
        for level in (y(row.machine.value) for row in beside if row.group == group):
            line(svg, (LEFT, level), (WIDTH - RIGHT, level), f"ceiling {style}")
    return render(svg)


def _beside_majorities(own: Comparison) -> list[AgainstModel]:
    """Return the models that were tested on all items that a group's majorities are of."""
    items = {row.group: row.items for row in own.groups if not row.language and not row.dialect}
    return [row for row in own.models if row.group in own.majorities and row.items == items[row.group]]


def _ticks(bottom: float) -> list[float]:
    return [tick / 10 for tick in range(11) if tick / 10 >= bottom - 1e-9]


def _axes(svg: Element, across: Sequence[tuple[float, str]], up: Sequence[tuple[float, float]]) -> None:
    for y, value in up:
        line(svg, (LEFT, y), (WIDTH - RIGHT, y), "grid")
        text(svg, (LEFT - 6, y + 3.5), f"{100 * value:.0f}", "tick end")
    for x, label in across:
        text(svg, (x, HEIGHT - BOTTOM + 16), label, "tick middle")
    text(svg, ((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6), "listeners in the majority", "axis middle")
