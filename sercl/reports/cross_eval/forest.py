"""A difference with its interval as a dot and a whisker, for a cell of a table."""

import math
from collections.abc import Iterable

from sercl.reports.cross_eval.svg import line, marker, path, picture, render
from sercl.reports.cross_eval.wording import points
from sercl.studies.cross_eval.comparisons import Comparison

WIDTH, HEIGHT, MARGIN = 150.0, 18.0, 6.0
STEP = 0.1
"""The scale reaches to the next multiple of this on both sides."""


def scale(comparisons: Iterable[Comparison]) -> float:
    """Return the largest difference that a family's pictures must hold, 0 to 1."""
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
