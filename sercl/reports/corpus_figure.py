"""One picture of a corpus: counts, durations, speakers, and what the label schemes keep."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from sercl.reports.corpus import audio_line, confound_sentence, headline, problems_sentence
from sercl.reports.rendering import picture_file
from sercl.studies.corpus_inspection import UNKNOWN, Inspection

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# One colour per emotion in every panel, muted, told apart by colour-blind readers where it is most needed.
_COLOURS: Mapping[str, str] = {
    "angry": "#c8463f",
    "happy": "#e8b13a",
    "neutral": "#8c939b",
    "sad": "#3f78b5",
    "fearful": "#7d5ba6",
    "disgusted": "#6b9a45",
    "surprised": "#e28bb0",
    "calm": "#67b7b0",
    "bored": "#a5805c",
    "excited": "#ef8a2f",
    "frustrated": "#8f3b4f",
    "amused": "#c3c44a",
    "sleepy": "#5b6f8f",
    "anxious": "#b48ad0",
    "apologetic": "#d98e73",
    "assertive": "#4b5a52",
    "concerned": "#9fc5d8",
    "encouraging": "#8fce9b",
    "poker": "#4d9de0",
    "other": "#b9bec4",
    "unknown": "#d5d9dd",
}
_INK, _PALE, _DROPPED = "#2b2f33", "#6d757d", "#e6e9ec"
_STYLE = {"font.size": 9.5, "text.color": _INK, "xtick.color": _PALE, "ytick.color": _INK}
_SHADES = (1.0, 0.62, 0.35)
"""Opacity of the parts of a bar: one gender each."""

_MOST_NUMBERS = 24
"""A speaker panel with more columns than this has shades only."""

_MOST_TICKS, _MOST_LETTERS = 40, 110
"""Names below the speaker panel, and letters in them that fit side by side."""

_MOST_NOTES = 4


def inspection_figure(inspection: Inspection, path: Path | str) -> None:
    """Draw an inspection.

    Args:
        inspection: What to draw; a corpus without utterances gives the headline only.
        path: The file; its suffix (.png, .pdf, .svg) is the format.

    Raises:
        UnknownNameError: For another suffix.
        OutputError: Where the file cannot be written.
    """
    with picture_file(path, _STYLE, dpi=150) as figure:
        _draw(figure, inspection)


def _draw(figure: "Figure", inspection: Inspection) -> None:
    notes, rows = _notes(inspection), len(inspection.emotions)
    heights = [0.5, 0.75 + 0.3 * rows, 0.85 + 0.27 * rows, 1.35, 0.1 + 0.2 * len(notes)]
    figure.set_size_inches(11, sum(heights))
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.09, wspace=0.02, hspace=0.02)
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
    _header(figure.add_subplot(grid[0, :]), inspection)
    if inspection.utterances:
        _counts(figure.add_subplot(grid[1, 0]), inspection)
        _durations(figure.add_subplot(grid[1, 1]), inspection)
        _speakers(figure.add_subplot(grid[2, :]), inspection)
        _coverage(figure.add_subplot(grid[3, :]), inspection)
    _footer(figure.add_subplot(grid[4, :]), notes)


def _footer(axes: "Axes", notes: Sequence[str]) -> None:
    axes.axis("off")
    axes.text(0, 1, "\n".join(notes), va="top", linespacing=1.5)


def _header(axes: "Axes", inspection: Inspection) -> None:
    axes.axis("off")
    axes.annotate(headline(inspection), (0, 1), va="top", fontsize=14, fontweight="bold")
    facts = f"{audio_line(inspection)}, {problems_sentence(inspection)}"
    axes.annotate(facts, (0, 1), (0, -22), textcoords="offset points", va="top", color=_PALE)


def _notes(inspection: Inspection) -> list[str]:
    """Return the confounds as lines that fit the width of the picture."""
    sentences = [f"Confound: {confound_sentence(item)}." for item in inspection.confounds[:_MOST_NOTES]]
    left = len(inspection.confounds) - _MOST_NOTES
    sentences += [f"And {left} more confounds."] if left > 0 else []
    return [line for sentence in sentences for line in textwrap.wrap(sentence, 140)]


def _counts(axes: "Axes", inspection: Inspection) -> None:
    emotions = list(inspection.emotions)
    colours = [_COLOURS[emotion] for emotion in emotions]
    left = [0] * len(emotions)
    for gender, shade in _shades(inspection).items():
        widths = [inspection.genders[gender].get(emotion, 0) for emotion in emotions]
        axes.barh(range(len(emotions)), widths, left=left, color=colours, alpha=shade, height=0.68)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for row, count in enumerate(left):
        axes.text(count, row, f" {count:,}", va="center")
    axes.set_xlim(0, max(left) * 1.14)
    axes.locator_params("x", integer=True, nbins=7)
    _finish(axes, "Utterances", emotions)
    if list(inspection.genders) != [UNKNOWN]:
        _gender_legend(axes, _shades(inspection))


def _shades(inspection: Inspection) -> dict[str, float]:
    """Return gender -> opacity."""
    return dict(zip(inspection.genders, cycle(_SHADES), strict=False))


def _gender_legend(axes: "Axes", shades: Mapping[str, float]) -> None:
    from matplotlib.patches import Patch

    swatches = [Patch(color=_PALE, alpha=shade, label=gender) for gender, shade in shades.items()]
    axes.legend(
        handles=swatches,
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=len(swatches),
        frameon=False,
        fontsize=8.5,
        handlelength=1,
        borderaxespad=0.2,
    )


def _durations(axes: "Axes", inspection: Inspection) -> None:
    emotions = list(inspection.emotions)
    _finish(axes, "Duration in s (box: quartiles, line: median)", [""] * len(emotions))
    heard = [(row, name) for row, name in enumerate(emotions) if inspection.seconds[name]]
    if not heard:
        axes.set_xticks([])
        axes.text(0, 0, "no utterance could be decoded", va="center", color=_PALE)
        return
    boxes = axes.boxplot(
        [inspection.seconds[name] for _, name in heard],
        positions=[row for row, _ in heard],
        orientation="horizontal",
        widths=0.5,
        patch_artist=True,
        medianprops={"color": _INK, "linewidth": 1.6},
        flierprops={"marker": "o", "markersize": 2.5, "markerfacecolor": _PALE, "markeredgewidth": 0},
        whiskerprops={"color": _PALE},
        capprops={"color": _PALE},
        manage_ticks=False,
    )
    for box, (_, name) in zip(boxes["boxes"], heard, strict=True):
        box.set(facecolor=_COLOURS[name], alpha=0.75, edgecolor=_PALE)
    axes.set_xlim(left=0)
    axes.locator_params("x", nbins=7)
    axes.grid(axis="x", color=_DROPPED)
    axes.set_axisbelow(True)


def _speakers(axes: "Axes", inspection: Inspection) -> None:
    names, emotions = list(inspection.speakers), list(inspection.emotions)
    table = [[inspection.speakers[name].get(emotion, 0) for name in names] for emotion in emotions]
    highest = max(map(max, table))
    few = len(names) <= _MOST_NUMBERS
    axes.pcolormesh(
        table, cmap="Blues", vmin=0, vmax=highest * 1.25, edgecolors="white", linewidth=1.2 if few else 0.3
    )
    if few:
        _write_counts(axes, table, highest)
    step = -(-len(names) // _MOST_TICKS)
    turned = max(map(len, names)) * min(len(names), _MOST_TICKS) > _MOST_LETTERS
    ticks = [column + 0.5 for column in range(0, len(names), step)]
    axes.set_xticks(ticks, names[::step], rotation=90 if turned else 0, fontsize=8)
    scale = "" if few else f" (white 0, darkest {highest})"
    _finish(axes, f"Utterances per speaker{scale}", emotions, centre=0.5)


def _write_counts(axes: "Axes", table: Sequence[Sequence[int]], highest: int) -> None:
    for row, counts in enumerate(table):
        for column, count in enumerate(counts):
            ink = "white" if count > 0.75 * highest else _INK
            axes.text(
                column + 0.5, row + 0.5, str(count or "-"), ha="center", va="center", color=ink, fontsize=8.5
            )


def _coverage(axes: "Axes", inspection: Inspection) -> None:
    labels = [f"{item.scheme} classes" for item in inspection.coverage]
    for row, item in enumerate(inspection.coverage):
        left = 0
        for name, count in item.classes.items():
            _segment(axes, row, left, count, inspection.utterances, name, _COLOURS[name])
            left += count
        dropped = inspection.utterances - left
        _segment(axes, row, left, dropped, inspection.utterances, "dropped", _DROPPED)
    axes.set_xlim(0, inspection.utterances)
    axes.set_xticks([])
    _finish(axes, "What the label schemes keep", labels)


def _segment(axes: "Axes", row: int, left: int, count: int, total: int, name: str, colour: str) -> None:
    axes.barh(row, count, left=left, color=colour, alpha=0.85, height=0.72, edgecolor="white", linewidth=1.2)
    text = f"{name} {count:,}"
    if count / total > 0.0078 * len(text):  # it fits
        ink = _INK if name in {"dropped", "happy", "surprised", "calm"} else "white"
        axes.text(left + count / 2, row, text, ha="center", va="center", color=ink, fontsize=8.5)


def _finish(axes: "Axes", title: str, labels: Sequence[str], centre: float = 0.0) -> None:
    """Name the rows from the top, put the title on the left, and take away what carries no information.

    Args:
        axes: The panel.
        title: Its title.
        labels: Names of its rows.
        centre: Height of the middle of row 0, which is 1 high.
    """
    axes.set_yticks([row + centre for row in range(len(labels))], labels)
    axes.set_ylim(len(labels) - 0.5 + centre, centre - 0.5)
    axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold", color=_INK, pad=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
