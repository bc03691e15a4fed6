"""Recordings with everything that was marked in them, on top of each other, for the page on listeners."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from sercl.corpora.base import Segment
from sercl.listening.comparison.segments import Example, Lane, SegmentComparison
from sercl.metrics.functional.eder import NEUTRAL, common_stretches
from sercl.metrics.functional.timeline import cut, timeline
from sercl.reports.diarization.timeline import clock, colour, ticks

MOST_LANES = 12
"""Listeners of a group that are drawn one by one; the picture of shares has all of them."""


@dataclass(frozen=True)
class Block:
    """A marked part, in percent of a picture's width.

    Attributes:
        left: Its start.
        width: Its length.
        emotion: Its emotion.
        colour: Of the emotion.
        tip: Who marked what, and when.
        top: Of shares, the upper edge in percent of the height.
        height: Of shares, in percent.
    """

    left: float
    width: float
    emotion: str
    colour: str
    tip: str
    top: float = 0.0
    height: float = 100.0


def pictures(own: SegmentComparison) -> list[dict[str, Any]]:
    """Return what the template draws of each example."""
    return [_picture(example, own.classes) for example in own.examples]


def emotions(own: SegmentComparison) -> list[tuple[str, str]]:
    """Return (emotion, colour) of everything that is drawn."""
    drawn = {
        segment.emotion
        for example in own.examples
        for segments in (example.reference or (), *(lane.segments for lane in _lanes(example)))
        for segment in segments
    }
    return [(name, colour(name)) for name in own.classes if name in drawn - {NEUTRAL}]


def _lanes(own: Example) -> tuple[Lane, ...]:
    return (*own.models, *own.listeners)


def _picture(own: Example, classes: Sequence[str]) -> dict[str, Any]:
    events = [segment for segment in own.reference or () if segment.emotion != NEUTRAL]
    edges = {edge for segment in events for edge in (segment.start, segment.end)}
    groups = [(name, list(lanes)) for name, lanes in groupby(own.listeners, key=lambda lane: lane.group)]
    return {
        "name": own.item,
        "seconds": clock(own.duration, 1),
        "error": own.error,
        "is_known": own.reference is not None,
        "reference": _blocks("reference", own.reference or (), own.duration),
        "edges": [100 * edge / own.duration for edge in sorted(edges) if 0 < edge < own.duration],
        "models": [(lane.name, _blocks(lane.name, lane.segments, own.duration)) for lane in own.models],
        "shares": _shares(own, classes),
        "listeners": len(own.listeners),
        "groups": [
            (
                name,
                [_blocks(lane.name, lane.segments, own.duration) for lane in lanes[:MOST_LANES]],
                max(0, len(lanes) - MOST_LANES),
            )
            for name, lanes in groups
        ],
        "ticks": ticks(own.duration),
    }


def _blocks(who: str, segments: Sequence[Segment], duration: float) -> list[Block]:
    return [
        Block(
            100 * own.start / duration,
            100 * (own.end - own.start) / duration,
            own.emotion,
            colour(own.emotion),
            f"{who}: {own.emotion} {own.start:.2f} to {own.end:.2f} s",
        )
        for own in cut(timeline(segments), duration)
        if own.emotion != NEUTRAL
    ]


def _shares(own: Example, classes: Sequence[str]) -> list[Block]:
    """Return how many listeners marked each emotion, piled up over time."""
    tracks = [cut(timeline(lane.segments), own.duration) for lane in own.listeners]
    blank = list(classes).index(NEUTRAL)
    labels, lengths = common_stretches(tracks, own.duration, classes, [blank] * len(tracks))
    starts = np.cumsum(lengths) - lengths
    found = []
    for start, length, column in zip(starts.tolist(), lengths.tolist(), labels.T, strict=True):
        floor = 100.0
        for index, name in enumerate(classes):
            votes = int((column == index).sum())
            if votes and name != NEUTRAL:
                height = 100 * votes / len(tracks)
                floor -= height
                tip = f"{name}: {votes} of {len(tracks)} listeners, {start:.2f} to {start + length:.2f} s"
                where = 100 * start / own.duration, 100 * length / own.duration
                found.append(Block(*where, name, colour(name), tip, floor, height))
    return found
