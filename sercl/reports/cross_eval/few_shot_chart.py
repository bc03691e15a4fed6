"""Few-shot curves as small pictures, one per encoder and pair of corpora, a line per adapter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from sercl.counting import count
from sercl.reports.cross_eval.svg import line, marker, path, picture, polyline, render, text
from sercl.reports.cross_eval.wording import adapter_name, score_text
from sercl.studies.cross_eval.analysis.few_shot import Curve
from sercl.studies.cross_eval.analysis.scores import ConditionScores

WIDTH, HEIGHT = 360.0, 236.0
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
        pair: Their corpora, "EmoDB -> RAVDESS".
        curves: Series number -> curve.
        svg: The picture.
    """

    encoder: str
    pair: str
    curves: Mapping[int, Curve]
    svg: str


def series_names(curves: Sequence[Curve]) -> list[str]:
    """Return the name of every series of a study, in the order of their numbers."""
    return list(dict.fromkeys(map(series_name, curves)))


def series_name(curve: Curve) -> str:
    """Return the name that distinguishes a curve from others of the same encoder and corpora."""
    return ", ".join([adapter_name(curve.condition.adapter), *curve.condition.marks])


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
    """Positions of shots and scores in a picture; shots are equally spaced, whatever their values."""

    def __init__(self, curves: Sequence[Curve], chance: float) -> None:
        self.shots = sorted({shots for curve in curves for shots in curve.points})
        lows = [
            own.uar.low for curve in curves for own in curve.points.values() if own.uar.low == own.uar.low
        ]
        lows += [own.uar.value for curve in curves for own in curve.alone.values()]
        self.bottom = int(10 * max(0.0, min([chance, *lows]))) / 10
        self.ticks = [tick / 100 for tick in range(0, 101, 20) if tick / 100 >= self.bottom]

    def x(self, shots: int) -> float:
        step = (WIDTH - LEFT - RIGHT) / len(self.shots)
        return LEFT + step * (self.shots.index(shots) + 0.5)

    def y(self, share: float) -> float:
        span = HEIGHT - TOP - BOTTOM
        return TOP + span * (1 - share) / (1 - self.bottom)


def _draw(encoder: str, pair: str, curves: Mapping[int, Curve], chance: float) -> str:
    label = f"UAR of {encoder} over labelled utterances per emotion, {pair.replace('->', 'to')}"
    svg, frame = picture(WIDTH, HEIGHT, label), _Frame(list(curves.values()), chance)
    _axes(svg, frame, chance)
    for place, (series, curve) in enumerate(curves.items()):
        _curve(svg, frame, series, curve, DODGE * (place - (len(curves) - 1) / 2))
    return render(svg)


def _axes(svg: Element, frame: _Frame, chance: float) -> None:
    for tick in frame.ticks:
        y = frame.y(tick)
        line(svg, (LEFT, y), (WIDTH - RIGHT, y), "grid")
        text(svg, (LEFT - 6, y + 3.5), f"{100 * tick:.0f}", "tick end")
    for shots in frame.shots:
        text(svg, (frame.x(shots), HEIGHT - BOTTOM + 16), str(shots), "tick middle")
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    text(svg, (middle, HEIGHT - 6), "labelled utterances per emotion", "axis middle")
    y = frame.y(chance)
    line(svg, (LEFT, y), (WIDTH - RIGHT, y), "chance")
    text(svg, (WIDTH - RIGHT, y - 4), "chance", "tick end")


def _curve(svg: Element, frame: _Frame, series: int, curve: Curve, shift: float) -> None:
    style = f"s{series % MOST_SERIES}"
    if curve.ceiling is not None:
        y = frame.y(curve.ceiling.uar.value)
        line(svg, (LEFT, y), (WIDTH - RIGHT, y), f"ceiling {style}")
    points = {shots: own for shots, own in curve.points.items() if own.uar.value == own.uar.value}
    places = {shots: (frame.x(shots) + shift, frame.y(own.uar.value)) for shots, own in points.items()}
    if places:
        path(svg, polyline(list(places.values())), f"line {style}")
    alone = [(frame.x(shots) + shift, frame.y(own.uar.value)) for shots, own in curve.alone.items()]
    if alone:
        path(svg, polyline(alone), f"alone {style}")
    for shots, own in points.items():
        x, y = places[shots]
        if own.uar.low == own.uar.low:
            line(svg, (x, frame.y(own.uar.low)), (x, frame.y(own.uar.high)), f"whisker {style}")
        path(svg, marker(series, x, y), f"marker {style}", _tip(curve, shots, own))


def _tip(curve: Curve, shots: int, own: ConditionScores) -> str:
    repeats = count(len(own.runs), "repeat")
    return f"{series_name(curve)}, {count(shots, 'shot')}: {score_text(own.uar)}, {repeats}"
