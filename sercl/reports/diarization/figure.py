"""Timelines as a picture: the waveform of each recording, and its labels below it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sercl.audio.files import Samples
from sercl.audio.stream import envelope, envelope_of
from sercl.corpora.base import Segment
from sercl.diarization.segments import NEUTRAL
from sercl.errors import UsageError
from sercl.metrics.functional.eder import eder, time_confusion
from sercl.reports.diarization.timeline import colour, in_order
from sercl.reports.rendering import check_format, picture_file
from sercl.studies.diarization.recordings import DiarizedRecording, Recording, Recordings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _PALE, _GRID = "#2b2f33", "#6d757d", "#e6e9ec"
_STYLE = {"font.size": 9, "text.color": _INK, "axes.labelcolor": _INK, "svg.fonttype": "none"}
MOST = 40
"""Recordings in a picture; more would be too small to see."""


@dataclass(frozen=True)
class Picture:
    """One recording of a picture.

    Attributes:
        name: Its heading.
        duration: In s.
        envelope: `[n]` largest absolute sample of equal intervals, see `sercl.audio.stream`.
        tracks: Its labels by source, such as "truth" and "diarizer"; the first colours the waveform.
        pauses: Intervals in s without speech.
    """

    name: str
    duration: float
    envelope: Samples
    tracks: Mapping[str, Sequence[Segment]]
    pauses: Sequence[tuple[float, float]] = ()


def timeline_figure(pictures: Sequence[Picture], path: Path | str) -> None:
    """Draw the waveform of each recording in the colours of its first track, and all tracks below it.

    Args:
        pictures: 1 to `MOST` recordings.
        path: The file; its suffix (.png, .pdf, .svg) is the format.

    Raises:
        UnknownNameError: For another suffix.
        UsageError: For no recording, or too many.
        OutputError: If the file cannot be written.
    """
    check_format(Path(path))
    if not 1 <= len(pictures) <= MOST:
        raise UsageError(f"{len(pictures)} timelines in a picture: valid: 1 to {MOST}.")
    with picture_file(path, _STYLE) as figure:
        _draw(figure, pictures)


def _draw(figure: "Figure", pictures: Sequence[Picture]) -> None:
    heights = [1.1 + 0.26 * len(item.tracks) for item in pictures]
    top, foot, gap = 0.45, 0.45, 0.42
    total = top + sum(heights) + gap * len(heights) + foot
    figure.set_size_inches(9.5, total)
    lead = 0.12 if any(len(item.tracks) > 1 for item in pictures) else 0.05
    bottom = total - top
    for item, height in zip(pictures, heights, strict=True):
        bottom -= height + gap
        axes = figure.add_axes((lead, (bottom + 0.1) / total, 0.97 - lead, height / total))
        _draw_recording(axes, item)
    _draw_legend(figure, pictures, 1 - 0.12 / total)


def _draw_recording(axes: "Axes", item: Picture) -> None:
    edges = np.linspace(0, item.duration, len(item.envelope) + 1)
    middles, loud = (edges[1:] + edges[:-1]) / 2, item.envelope / max(float(item.envelope.max()), 1e-9)
    first = next(iter(item.tracks.values()))
    axes.fill_between(middles, -loud, loud, color=colour(NEUTRAL), linewidth=0, alpha=0.75)
    for segment in first:
        if segment.emotion != NEUTRAL:
            inside = (middles >= segment.start) & (middles < segment.end)
            shown = np.where(inside, loud, np.nan)
            axes.fill_between(middles, -shown, shown, color=colour(segment.emotion), linewidth=0)
    ticks = []
    for row, (name, segments) in enumerate(item.tracks.items()):
        height = -1.45 - 0.5 * row
        ticks.append((height, name))
        _draw_track(axes, segments, height, item)
    for start, end in item.pauses:
        axes.axvspan(start, end, ymin=0, ymax=1, facecolor="none", edgecolor=_GRID, hatch="////", linewidth=0)
    axes.set_title(item.name, loc="left", fontsize=9.5, fontweight="bold", pad=4)
    axes.set_xlim(0, item.duration)
    axes.set_ylim(-1.3 - 0.5 * len(item.tracks), 1.05)
    _tidy(axes, ticks if len(ticks) > 1 else [])


def _draw_track(axes: "Axes", segments: Sequence[Segment], height: float, item: Picture) -> None:
    axes.broken_barh([(0, item.duration)], (height - 0.03, 0.06), color=colour(NEUTRAL), alpha=0.6)
    for segment in segments:
        if segment.emotion == NEUTRAL:
            continue
        length = segment.end - segment.start
        axes.broken_barh([(segment.start, length)], (height - 0.18, 0.36), color=colour(segment.emotion))
        if length > 0.07 * item.duration:
            middle = (segment.start + segment.end) / 2
            axes.text(
                middle, height - 0.015, segment.emotion, color="white", ha="center", va="center", fontsize=7.5
            )


def _tidy(axes: "Axes", ticks: Sequence[tuple[float, str]]) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)
    axes.tick_params(axis="x", colors=_PALE, length=3, labelsize=8)
    axes.tick_params(axis="y", colors=_INK, length=0, labelsize=8)
    axes.set_yticks([height for height, _ in ticks], [name for _, name in ticks])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")


def _draw_legend(figure: "Figure", pictures: Sequence[Picture], height: float) -> None:
    from matplotlib.patches import Patch

    tracks = [segments for item in pictures for segments in item.tracks.values()]
    shown = in_order([NEUTRAL, *(segment.emotion for segments in tracks for segment in segments)])
    handles = [Patch(color=colour(name), label=name) for name in shown]
    figure.legend(
        handles=handles,
        loc="upper right",
        bbox_to_anchor=(0.975, height),
        ncols=len(handles),
        frameon=False,
        fontsize=8.5,
        handlelength=1.1,
        handleheight=1.0,
        columnspacing=1.4,
        borderaxespad=0,
    )


TRUTH = "truth"
_QUANTILES = (0.25, 0.5, 0.75)
"""Quantiles of EDER of the recordings in a picture."""


def pictures(recordings: Recordings, diarized: Mapping[str, Sequence[DiarizedRecording]]) -> list[Picture]:
    """Return at most three recordings with the reference and each system's segments.

    They are at the quartiles of the first system's EDER.

    Args:
        recordings: The evaluated recordings, created once more for their audio.
        diarized: System -> its segments, in the order of the recordings.
    """
    first = next(iter(diarized.values()))
    chosen = quartiles([error(item) for item in first])
    wanted = {first[index].id: index for index in chosen}
    drawn = {
        wanted[item.id]: _picture(item, wanted[item.id], diarized) for item in recordings if item.id in wanted
    }
    return [drawn[index] for index in chosen]


def quartiles(errors: Sequence[float]) -> list[int]:
    """Return the indices at a quarter, half and three quarters of the order, each once."""
    order = np.argsort(np.asarray(errors), kind="stable").tolist()
    return list(dict.fromkeys(order[round(quantile * (len(order) - 1))] for quantile in _QUANTILES))


def error(item: DiarizedRecording) -> float:
    """Return the EDER of one recording."""
    names = {segment.emotion for segment in (*item.reference, *item.hypothesis)} | {NEUTRAL}
    classes = sorted(names)
    confusion = time_confusion(item.reference, item.hypothesis, item.duration, classes, item.uncovered)
    return float(eder(confusion, classes.index(NEUTRAL)))


def _picture(
    recording: Recording, index: int, diarized: Mapping[str, Sequence[DiarizedRecording]]
) -> Picture:
    first = next(iter(diarized.values()))[index]
    # The all-neutral baseline has no segments to show.
    found = {
        name: own[index].hypothesis for name, own in diarized.items() if any(item.hypothesis for item in own)
    }
    name = f"{recording.id}: EDER {100 * error(first):.1f} %"
    return Picture(name, recording.duration, _envelope(recording), {TRUTH: recording.reference, **found})


def _envelope(recording: Recording) -> Samples:
    if isinstance(recording.source, tuple):
        return envelope_of(np.asarray(recording.source[0], dtype=np.float32))
    return envelope(recording.source)
