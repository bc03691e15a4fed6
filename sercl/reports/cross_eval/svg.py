"""Small SVG pictures: elements with attributes, and shapes that distinguish series without colour.

Colours are CSS classes, so that they follow the page's light and dark scheme.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from sercl.counting import count
from sercl.reports.cross_eval.wording import adapter_name, points, score_text
from sercl.studies.cross_eval.analysis.comparisons import Comparison, Curve
from sercl.studies.cross_eval.analysis.scores import ConditionScores
from sercl.studies.cross_eval.analysis.source_curves import SourceCurve
from sercl.studies.results.scores import Score

Shape = Callable[[float, float, float], str]
"""(x, y, radius) -> the data of a path."""


def picture(width: float, height: float, label: str) -> Element:
    """Return an empty picture that scales with its container.

    Args:
        width: Units across.
        height: Units down.
        label: What it shows, for readers who cannot see it.
    """
    size = f"0 0 {number(width)} {number(height)}"
    svg = Element("svg", {"viewBox": size, "role": "img", "aria-label": label})
    return svg


def line(parent: Element, start: tuple[float, float], end: tuple[float, float], style: str) -> Element:
    """Add a line of the CSS class `style`."""
    positions = zip(("x1", "y1", "x2", "y2"), (*start, *end), strict=True)
    return SubElement(parent, "line", {**{name: number(at) for name, at in positions}, "class": style})


def text(parent: Element, at: tuple[float, float], content: str, style: str) -> Element:
    """Add a text of the CSS class `style`."""
    element = SubElement(parent, "text", {"x": number(at[0]), "y": number(at[1]), "class": style})
    element.text = content
    return element


def path(parent: Element, data: str, style: str, tip: str = "") -> Element:
    """Add a path; `tip` is shown on hover."""
    element = SubElement(parent, "path", {"d": data, "class": style})
    if tip:
        SubElement(element, "title").text = tip
    return element


def polyline(points: list[tuple[float, float]]) -> str:
    """Return the data of a path through points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def marker(series: int, x: float, y: float, radius: float = 4.0) -> str:
    """Return the data of a series' marker, centred on a point."""
    return SHAPES[series % len(SHAPES)](x, y, radius)


def render(svg: Element) -> str:
    """Return the picture as text."""
    return tostring(svg, encoding="unicode")


def number(value: float) -> str:
    """Return a coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _polygon(*corners: tuple[float, float]) -> Shape:
    def shape(x: float, y: float, radius: float) -> str:
        return polyline([(x + radius * dx, y + radius * dy) for dx, dy in corners]) + "Z"

    return shape


def _circle(x: float, y: float, radius: float) -> str:
    left, right, size = number(x - radius), number(x + radius), number(radius)
    arc = f"A{size} {size} 0 1 0"
    return f"M{left} {number(y)}{arc} {right} {number(y)}{arc} {left} {number(y)}Z"


SHAPES: tuple[Shape, ...] = (
    _circle,
    _polygon((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    _polygon((0, -1.15), (1.1, 0.85), (-1.1, 0.85)),
    _polygon((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
    _polygon((0, 1.15), (1.1, -0.85), (-1.1, -0.85)),
    _polygon((-1.2, -0.4), (-0.4, -0.4), (-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4)),
)


WIDTH, HEIGHT, MARGIN = 150.0, 18.0, 6.0
STEP = 0.1
"""The scale reaches to the next multiple of this on both sides."""


def scale(comparisons: Iterable[Comparison]) -> float:
    """Return the largest difference that a family's pictures must show, 0 to 1."""
    scores = [item.paired.difference for item in comparisons]
    ends = [abs(end) for score in scores for end in (score.value, score.low, score.high) if end == end]
    return math.ceil(max([STEP, *ends]) / STEP - 1e-9) * STEP


def forest(comparison: Comparison, reach: float) -> str:
    """Return the picture of one comparison, zero in its middle; filled where it is significant.

    Args:
        comparison: What is drawn.
        reach: Difference at both edges, as `scale` gives it.
    """
    score = comparison.paired.difference
    return difference_picture((score.value, score.low, score.high), reach, comparison.paired.is_significant)


def difference_picture(score: tuple[float, float, float], reach: float, is_clear: bool) -> str:
    """Return the picture of a difference.

    Args:
        score: The difference and the ends of its interval, NaN if there is none.
        reach: Difference at both edges.
        is_clear: Whether it is significant, and filled.
    """
    value, low, high = score

    def x(at: float) -> float:
        return WIDTH / 2 + (WIDTH / 2 - MARGIN) * at / reach

    middle = HEIGHT / 2
    svg = picture(WIDTH, HEIGHT, f"difference {points(value)} points")
    line(svg, (WIDTH / 2, 0), (WIDTH / 2, HEIGHT), "zero")
    if not math.isnan(low):
        line(svg, (x(low), middle), (x(high), middle), "whisker")
    if not math.isnan(value):
        path(svg, marker(0, x(value), middle, 3.6), "dot clear" if is_clear else "dot")
    return render(svg)


CHART_WIDTH, CHART_HEIGHT = 360.0, 236.0
LEFT, RIGHT, TOP, BOTTOM = 34.0, 12.0, 12.0, 40.0
DODGE = 7.0
"""Horizontal offset between the markers of two series, so that their whiskers do not overlap."""

MOST_SERIES = 6
"""Number of distinguishable colours and markers; further series start over."""


@dataclass(frozen=True)
class Chart:
    """A picture of curves.

    Attributes:
        encoder: Their encoder.
        pair: Their corpora, "EmoDB -> RAVDESS"; or setting and target, "zero-shot -> RAVDESS".
        curves: Series number -> curve.
        svg: The picture.
    """

    encoder: str
    pair: str
    curves: Mapping[int, Curve] | Mapping[int, SourceCurve]
    svg: str


def series_names(curves: Sequence[Curve] | Sequence[SourceCurve]) -> list[str]:
    """Return the name of every series of a study, in the order of their numbers."""
    return list(dict.fromkeys(map(series_name, curves)))


def series_name(curve: Curve | SourceCurve) -> str:
    """Return the name that distinguishes a curve from others in its picture."""
    return ", ".join([adapter_name(curve.condition.adapter), *curve.condition.tags])


def few_shot_charts(curves: Sequence[Curve], chance: float) -> list[Chart]:
    """Return a picture for every encoder and pair of corpora.

    Args:
        curves: The study's curves.
        chance: UAR of guessing, 0 to 1.
    """
    names = series_names(curves)
    groups: dict[tuple[str, str], dict[int, Curve]] = {}
    for curve in curves:
        group = groups.setdefault((curve.condition.encoder, curve.condition.pair), {})
        group[names.index(series_name(curve))] = curve
    return [Chart(*key, group, _draw(*key, group, chance)) for key, group in groups.items()]


class _Frame:
    """Positions of numbers and scores in a picture; numbers are equally spaced, whatever their values.

    Args:
        numbers: What scores are shown over.
        lows: Lower ends of what is shown; NaN for none.
        chance: UAR of guessing, 0 to 1.
    """

    def __init__(self, numbers: Iterable[int], lows: Iterable[float], chance: float) -> None:
        self.numbers, self.chance = sorted(set(numbers)), chance
        known = [low for low in lows if low == low]
        self.bottom = int(10 * max(0.0, min([chance, *known]))) / 10
        self.ticks = [tick / 100 for tick in range(0, 101, 20) if tick / 100 >= self.bottom]

    def x(self, number: int) -> float:
        step = (CHART_WIDTH - LEFT - RIGHT) / len(self.numbers)
        return LEFT + step * (self.numbers.index(number) + 0.5)

    def y(self, share: float) -> float:
        span = CHART_HEIGHT - TOP - BOTTOM
        return TOP + span * (1 - share) / (1 - self.bottom)


def _draw(encoder: str, pair: str, curves: Mapping[int, Curve], chance: float) -> str:
    label = f"UAR of {encoder} over labelled utterances per emotion, {pair.replace('->', 'to')}"
    svg, own = picture(CHART_WIDTH, CHART_HEIGHT, label), curves.values()
    lows = [point.uar.low for curve in own for point in curve.points.values()]
    lows += [point.uar.value for curve in own for point in curve.alone.values()]
    frame = _Frame((shots for curve in own for shots in curve.points), lows, chance)
    _axes(svg, frame, "labelled utterances per emotion")
    for index, (series, curve) in enumerate(curves.items()):
        _curve(svg, frame, series, curve, DODGE * (index - (len(curves) - 1) / 2))
    return render(svg)


def _axes(svg: Element, frame: _Frame, label: str) -> None:
    for tick in frame.ticks:
        y = frame.y(tick)
        line(svg, (LEFT, y), (CHART_WIDTH - RIGHT, y), "grid")
        text(svg, (LEFT - 6, y + 3.5), f"{100 * tick:.0f}", "tick end")
    for own in frame.numbers:
        text(svg, (frame.x(own), CHART_HEIGHT - BOTTOM + 16), str(own), "tick middle")
    middle = LEFT + (CHART_WIDTH - LEFT - RIGHT) / 2
    text(svg, (middle, CHART_HEIGHT - 6), label, "axis middle")
    y = frame.y(frame.chance)
    line(svg, (LEFT, y), (CHART_WIDTH - RIGHT, y), "chance")
    text(svg, (CHART_WIDTH - RIGHT, y - 4), "chance", "tick end")


def _curve(svg: Element, frame: _Frame, series: int, curve: Curve, shift: float) -> None:
    style = f"s{series % MOST_SERIES}"
    _ceiling(svg, frame, style, curve.ceiling)
    points = {shots: own for shots, own in curve.points.items() if own.uar.value == own.uar.value}
    positions = {shots: (frame.x(shots) + shift, frame.y(own.uar.value)) for shots, own in points.items()}
    if positions:
        path(svg, polyline(list(positions.values())), f"line {style}")
    alone = [(frame.x(shots) + shift, frame.y(own.uar.value)) for shots, own in curve.alone.items()]
    if alone:
        path(svg, polyline(alone), f"alone {style}")
    for shots, own in points.items():
        _point(svg, frame, series, positions[shots], own.uar, _tip(curve, shots, own))


def _ceiling(svg: Element, frame: _Frame, style: str, ceiling: ConditionScores | None) -> None:
    if ceiling is not None:
        y = frame.y(ceiling.uar.value)
        line(svg, (LEFT, y), (CHART_WIDTH - RIGHT, y), f"ceiling {style}")


def _point(svg: Element, frame: _Frame, series: int, at: tuple[float, float], score: Score, tip: str) -> None:
    style = f"s{series % MOST_SERIES}"
    if score.low == score.low:
        line(svg, (at[0], frame.y(score.low)), (at[0], frame.y(score.high)), f"whisker {style}")
    path(svg, marker(series, *at), f"marker {style}", tip)


def _tip(curve: Curve, shots: int, own: ConditionScores) -> str:
    repeats = count(len(own.runs), "repeat")
    return f"{series_name(curve)}, {count(shots, 'shot')}: {score_text(own.uar)}, {repeats}"


def source_charts(curves: Sequence[SourceCurve], chance: float) -> list[Chart]:
    """Return a picture of scores over the number of sources for every encoder, setting and target.

    Args:
        curves: The study's curves.
        chance: UAR of guessing, 0 to 1.
    """
    names = series_names(curves)
    groups: dict[tuple[str, str], dict[int, SourceCurve]] = {}
    for curve in curves:
        own = curve.condition
        group = groups.setdefault((own.encoder, f"{own.setting} -> {own.target}"), {})
        group[names.index(series_name(curve))] = curve
    return [Chart(*key, group, _draw_sources(*key, group, chance)) for key, group in groups.items()]


def _draw_sources(encoder: str, pair: str, curves: Mapping[int, SourceCurve], chance: float) -> str:
    label = f"UAR of {encoder} over the number of training corpora, {pair.replace('->', 'to')}"
    svg, own = picture(CHART_WIDTH, CHART_HEIGHT, label), curves.values()
    lows = [low for curve in own for point in curve.points.values() for low in (point.uar.low, point.lowest)]
    frame = _Frame((size for curve in own for size in curve.points), lows, chance)
    _axes(svg, frame, "training corpora")
    for index, (series, curve) in enumerate(curves.items()):
        _source_curve(svg, frame, series, curve, DODGE * (index - (len(curves) - 1) / 2))
    return render(svg)


def _source_curve(svg: Element, frame: _Frame, series: int, curve: SourceCurve, shift: float) -> None:
    style = f"s{series % MOST_SERIES}"
    _ceiling(svg, frame, style, curve.ceiling)
    at = {size: (frame.x(size) + shift, frame.y(own.uar.value)) for size, own in curve.points.items()}
    for size, own in curve.points.items():
        if own.sources > 1:
            x, _ = at[size]
            line(svg, (x, frame.y(own.lowest)), (x, frame.y(own.highest)), f"spread {style}")
    path(svg, polyline(list(at.values())), f"line {style}")
    for size, own in curve.points.items():
        sources = count(own.sources, "source")
        tip = f"{series_name(curve)}, {count(size, 'corpus', 'corpora')}: {score_text(own.uar)}, {sources}"
        _point(svg, frame, series, at[size], own.uar, tip)
