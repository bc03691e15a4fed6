"""Small SVG pictures: elements with attributes, and shapes that distinguish series without colour.

Colours are CSS classes, so that they follow the page's light and dark scheme.
"""

import math
from collections.abc import Callable, Iterable
from xml.etree.ElementTree import Element, SubElement, tostring

from sercl.reports.cross_eval.wording import points
from sercl.studies.cross_eval.analysis.comparisons import Comparison

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
    places = zip(("x1", "y1", "x2", "y2"), (*start, *end), strict=True)
    return SubElement(parent, "line", {**{name: number(at) for name, at in places}, "class": style})


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

    def x(value: float) -> float:
        return WIDTH / 2 + (WIDTH / 2 - MARGIN) * value / reach

    middle = HEIGHT / 2
    svg = picture(WIDTH, HEIGHT, f"difference {points(score.value)} points")
    line(svg, (WIDTH / 2, 0), (WIDTH / 2, HEIGHT), "zero")
    if not math.isnan(score.low):
        line(svg, (x(score.low), middle), (x(score.high), middle), "whisker")
    if not math.isnan(score.value):
        is_clear = comparison.paired.is_significant
        path(svg, marker(0, x(score.value), middle, 3.6), "dot clear" if is_clear else "dot")
    return render(svg)
