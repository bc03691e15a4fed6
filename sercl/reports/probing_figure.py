"""Layer curves: how well each hidden state predicts one or several properties."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sercl.errors import UsageError
from sercl.reports.probing import chosen_by
from sercl.reports.rendering import COLOURS, GRID, MARKERS, PALE, STYLE, check_format, picture_file
from sercl.studies.layer_probe.summary import ProbeResults
from sercl.studies.layer_probe.task import SPEAKER_DISJOINT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CURVES = len(COLOURS)
_MOST_SIDE_BY_SIDE = 3
"""With more curves, their names and the other entries of the legend are in one column."""


def probe_figure(
    results: Sequence[ProbeResults],
    path: Path | str,
    title: str = "",
    names: Sequence[str] | None = None,
) -> None:
    """Draw UAR over hidden states, a curve with its interval band per study.

    Each curve's best layer by validation is ringed, and its chance level is a dotted line. A panel below
    shows the weights of the learned weighted sums. A single curve comes with that of its control task.

    Args:
        results: The studies, 1 to `MOST_CURVES`, of one encoder.
        path: The file; its suffix (.png, .pdf, .svg) is the format.
        title: A line above the picture.
        names: Name of each curve; None to use what differs between the studies.

    Raises:
        UnknownNameError: For another suffix.
        UsageError: For no study, or too many.
        OutputError: If the file cannot be written.
    """
    check_format(Path(path))
    if not 1 <= len(results) <= MOST_CURVES:
        raise UsageError(f"{len(results)} layer curves in a picture: valid: 1 to {MOST_CURVES}.")
    with picture_file(path, STYLE) as figure:
        _draw(figure, results, names or curve_names(results), title)


def curve_names(results: Sequence[ProbeResults]) -> list[str]:
    """Return names that distinguish the studies (target, setting, or both), and how folds treat speakers."""
    settings = len({item.setting for item in results}) > 1
    targets = len({item.target for item in results}) > 1 or not settings
    names = []
    for item in results:
        name = ", ".join([item.target] * targets + [item.setting] * settings)
        names.append(name if item.splits == SPEAKER_DISJOINT else f"{name} ({item.splits} folds)")
    return names


def _draw(figure: "Figure", results: Sequence[ProbeResults], names: Sequence[str], title: str) -> None:
    weighted = any(item.weighted for item in results)
    states = max(entry.layer for item in results for entry in item.layers) + 1
    legend = 0.19 * _legend_rows(len(results))
    figure.set_size_inches(max(7.2, 3.6 + 0.34 * states), (5.0 if weighted else 3.7) + legend)
    figure.set_layout_engine("constrained", h_pad=0.06, hspace=0.04)
    heights = [3.2, 1] if weighted else [1]
    rows = figure.subplots(len(heights), 1, squeeze=False, sharex=True, height_ratios=heights)
    curves = rows[0, 0]
    for index, (item, name) in enumerate(zip(results, names, strict=True)):
        _curve(curves, item, name, index)
    _chance(curves, results)
    if len(results) == 1:
        _control(curves, results[0])
    _frame(curves, results, states)
    _legend(figure, curves, results[0], title, 2 if len(results) <= _MOST_SIDE_BY_SIDE else 1)
    if weighted:
        _weights(rows[1, 0], results)
    rows[-1, 0].set_xlabel("hidden state (0: input of block 1, k: output of block k)")


def _curve(axes: "Axes", item: ProbeResults, name: str, index: int) -> None:
    layers = [entry.layer for entry in item.layers]
    colour = COLOURS[index]
    low, high = ([100 * getattr(entry.uar, end) for entry in item.layers] for end in ("low", "high"))
    axes.fill_between(layers, low, high, color=colour, alpha=0.15, linewidth=0)
    chosen = item.chosen.uar
    axes.plot(
        layers,
        [100 * entry.uar.value for entry in item.layers],
        color=colour,
        marker=MARKERS[index],
        markersize=5,
        linewidth=1.8,
        label=f"{name}: {100 * chosen.value:.1f} % at the layers chosen",
    )
    best = item.layer(item.best_layer)
    axes.plot(best.layer, 100 * best.uar.value, "o", markersize=13, fillstyle="none", color=colour, mew=1.8)


def _chance(axes: "Axes", results: Sequence[ProbeResults]) -> None:
    levels = {round(item.chance, 6) for item in results}
    for level in levels:
        indices = [index for index, item in enumerate(results) if round(item.chance, 6) == level]
        shared = len(indices) > 1 or len(results) == 1
        colour = PALE if shared else COLOURS[indices[0]]
        axes.axhline(100 * level, color=colour, linestyle=(0, (1, 2)), linewidth=1.4, zorder=1)
    axes.plot([], [], color=PALE, linestyle=(0, (1, 2)), linewidth=1.4, label="chance")


def _control(axes: "Axes", item: ProbeResults) -> None:
    known = [(entry.layer, 100 * entry.control.value) for entry in item.layers if entry.control is not None]
    if known:
        axes.plot(*zip(*known, strict=True), color=PALE, linewidth=1.2, marker=".", label="shuffled labels")


def _legend_rows(curves: int) -> int:
    return curves + 2 if curves > _MOST_SIDE_BY_SIDE else max(2, curves)


def _frame(axes: "Axes", results: Sequence[ProbeResults], states: int) -> None:
    lows = [100 * entry.uar.low for item in results for entry in item.layers]
    lows += [100 * entry.control.value for item in results for entry in item.layers if entry.control]
    floor = min([*(low for low in lows if low == low), *(100 * item.chance for item in results)])
    axes.set_ylim(max(0, floor - 8), 101.5)
    axes.set_ylabel("UAR in %, 95 % interval")
    axes.set_xlim(-0.5, states - 0.5)
    axes.set_xticks(range(0, states, 1 if states <= 26 else 2))
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelbottom=True)
    axes.spines[["top", "right"]].set_visible(False)


def _legend(figure: "Figure", axes: "Axes", result: ProbeResults, title: str, columns: int) -> None:
    axes.plot(
        [],
        [],
        "o",
        markersize=9,
        fillstyle="none",
        color=PALE,
        mew=1.6,
        label=f"best on validation ({chosen_by(result)})",
    )
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside upper left",
        frameon=False,
        fontsize=9,
        ncols=columns,
        title=title or None,
        title_fontproperties={"size": 12, "weight": "bold"},
        alignment="left",
    )


def _weights(axes: "Axes", results: Sequence[ProbeResults]) -> None:
    mixed = [(index, item.weighted) for index, item in enumerate(results) if item.weighted is not None]
    width = 0.8 / len(mixed)
    for number, (index, weighted) in enumerate(mixed):
        shift = (number - (len(mixed) - 1) / 2) * width
        lefts = [layer + shift for layer in range(len(weighted.weights))]
        axes.bar(lefts, [100 * weight for weight in weighted.weights], width * 0.92, color=COLOURS[index])
    axes.set_ylabel("weight in %")
    axes.set_title("Learned weighted sum of all hidden states", loc="left", fontsize=9.5, color=PALE)
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines[["top", "right"]].set_visible(False)
