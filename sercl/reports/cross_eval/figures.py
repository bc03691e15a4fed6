"""The figures of a study as files for a paper: train-by-test matrices, paired tests, few-shot curves."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from sercl.reports.cross_eval.summary import Matrix, matrix_groups
from sercl.reports.cross_eval.svg import series_name, series_names
from sercl.reports.cross_eval.wording import GUESS, adapter_name, comparison_row, pair_name, setting_name
from sercl.reports.rendering import picture_file
from sercl.reports.results import percent
from sercl.studies.cross_eval.analysis.analysis import Analysis
from sercl.studies.cross_eval.analysis.comparisons import Curve
from sercl.studies.cross_eval.analysis.source_curves import SourceCurve
from sercl.studies.results.scores import Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOLDER = "figures"

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_INK, _PALE, _GRID = "#2b2f33", "#6d757d", "#e6e9ec"
_STYLE = {"font.size": 9, "text.color": _INK, "axes.labelcolor": _INK, "svg.fonttype": "none"}
_ACROSS = 3
_LABEL = 18
"""Characters of a row's label before it is broken."""

Draw = Callable[["Figure", Analysis], None]


def write_figures(analysis: Analysis, folder: Path, suffix: str) -> list[Path]:
    """Write every figure that a study has into a folder `figures`, and return the files.

    Args:
        analysis: The study.
        folder: The study's folder.
        suffix: "svg" or "pdf".

    Raises:
        OutputError: If a file cannot be written.
    """
    files = []
    for name, draw in _figures(analysis).items():
        path = folder / FOLDER / f"{name}.{suffix}"
        with picture_file(path, _STYLE) as figure:
            figure.set_layout_engine("constrained")
            draw(figure, analysis)
        files.append(path)
    return files


def _figures(analysis: Analysis) -> dict[str, Draw]:
    figures: dict[str, Draw] = {}
    if matrix_groups(analysis):
        figures["matrices"] = _matrices
    if any(family.overall for family in analysis.families):
        figures["tests"] = _tests
    if analysis.source_curves:
        figures["sources"] = _sources
    if analysis.curves:
        figures["few-shot"] = _few_shot
    return figures


def _panels(figure: "Figure", count: int, width: float, height: float) -> Iterator["Axes"]:
    """Yield axes in as many rows as needed; spare ones are not drawn."""
    across = min(count, _ACROSS)
    down = math.ceil(count / across)
    figure.set_size_inches(width * across, height * down)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.set_axis_off()
    yield from axes[:count]


def _matrices(figure: "Figure", analysis: Analysis) -> None:
    items = [
        (f"{group.encoder}, {adapter_name(group.adapter)}", matrix)
        for group in matrix_groups(analysis)
        for matrix in group.matrices
    ]
    height = max([2.9, *(0.9 + 0.42 * len(matrix.rows) for _, matrix in items)])
    for axes, (name, matrix) in zip(_panels(figure, len(items), 3.4, height), items, strict=True):
        _matrix(axes, matrix, 100 / len(analysis.study.classes))
        title = ", ".join([setting_name(matrix.title), *matrix.tags])
        axes.set_title(f"{name}\n{title}: UAR in %", fontsize=8.5)


def _matrix(axes: "Axes", matrix: Matrix, chance: float) -> None:
    values = [[100 * own.uar.value if own else math.nan for own in row] for row in matrix.cells]
    axes.imshow(values, cmap="Blues", vmin=chance, vmax=100, aspect="auto")
    axes.set_xticks(range(len(matrix.columns)), matrix.columns)
    axes.set_yticks(range(len(matrix.rows)), [fill(name, _LABEL) for name in matrix.rows])
    axes.set_xlabel("tested on")
    axes.set_ylabel("trained on")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if 0 < matrix.singles < len(matrix.rows):
        axes.axhline(matrix.singles - 0.5, color="white", linewidth=4)
    for y, row in enumerate(matrix.cells):
        for x, own in enumerate(row):
            if own is not None:
                ink = "white" if values[y][x] > 0.65 * 100 else "black"
                score = f"{percent(own.uar.value)}{GUESS * own.is_guess}", _ends(own.uar)
                text = "\n".join(filter(None, (matrix.source_in(y, x), *score)))
                axes.text(x, y, text, ha="center", va="center", fontsize=7.5, color=ink)


def _ends(score: Score) -> str:
    return "" if math.isnan(score.low) else f"{percent(score.low)} to {percent(score.high)}"


def _tests(figure: "Figure", analysis: Analysis) -> None:
    families = [family for family in analysis.families if family.overall]
    sizes = [len(family.overall) for family in families]
    figure.set_size_inches(8.5, 0.9 * len(families) + 0.27 * sum(sizes))
    rows = figure.subplots(len(families), 1, squeeze=False, height_ratios=sizes)
    for axes, family in zip(rows[:, 0], families, strict=True):
        names = []
        for index, item in enumerate(family.overall):
            row = comparison_row(item, family, analysis.scores)
            tags = ", ".join([setting_name(row.setting), *row.tags])
            where = ", ".join(filter(None, [row.encoder, row.adapter, tags]))
            names.append(f"{where}: {row.first} − {row.second}")
            _difference(axes, index, item.paired.difference, item.paired.is_significant)
        axes.set_yticks(range(len(names)), names, fontsize=7.5)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.axvline(0, color=_PALE, linewidth=1)
        axes.grid(axis="x", color=_GRID)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.set_title(family.title, fontsize=9, loc="left")
    rows[-1, 0].set_xlabel("difference of UAR in points, 95 % interval")


def _difference(axes: "Axes", index: int, score: Score, is_significant: bool) -> None:
    """Draw a difference with its interval, filled where it is significant after Holm's correction."""
    if not math.isnan(score.low):
        axes.plot([100 * score.low, 100 * score.high], [index, index], color=_COLOURS[0], linewidth=1.3)
    face = _COLOURS[0] if is_significant else "white"
    axes.plot(100 * score.value, index, "o", color=_COLOURS[0], markerfacecolor=face, markersize=5)


def _few_shot(figure: "Figure", analysis: Analysis) -> None:
    groups: dict[tuple[str, str], list[Curve]] = {}
    for curve in analysis.curves:
        groups.setdefault((curve.condition.encoder, pair_name(curve.condition)), []).append(curve)
    names = series_names(analysis.curves)
    series = {name: index for index, name in enumerate(names)}
    for axes, ((encoder, pair), curves) in zip(
        _panels(figure, len(groups), 3.6, 2.9), groups.items(), strict=True
    ):
        _curves(axes, curves, series, 100 / len(analysis.study.classes))
        axes.set_title(f"{encoder}: {pair}", fontsize=8.5)
    _legend(figure)


def _legend(figure: "Figure") -> None:
    named: dict[str, Any] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    columns = min(4, len(named))
    figure.legend(
        list(named.values()),
        list(named),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=8,
    )


def _sources(figure: "Figure", analysis: Analysis) -> None:
    groups: dict[str, list[SourceCurve]] = {}
    for curve in analysis.source_curves:
        own = curve.condition
        groups.setdefault(f"{own.encoder}, {own.setting} → {own.target}", []).append(curve)
    series = {name: index for index, name in enumerate(series_names(analysis.source_curves))}
    for axes, (title, curves) in zip(_panels(figure, len(groups), 3.6, 2.9), groups.items(), strict=True):
        sizes = sorted({size for curve in curves for size in curve.points})
        for curve in curves:
            _source_curve(axes, curve, series[series_name(curve)] % len(_COLOURS))
        axes.set_title(title, fontsize=8.5)
        axes.set_xticks(sizes)
        axes.set_xlim(sizes[0] - 0.5, sizes[-1] + 0.5)
        _score_axes(axes, "training corpora", 100 / len(analysis.study.classes))
    _legend(figure)


def _source_curve(axes: "Axes", curve: SourceCurve, index: int) -> None:
    look: dict[str, Any] = {"color": _COLOURS[index], "linewidth": 1.5}
    values = [100 * own.uar.value for own in curve.points.values()]
    axes.plot(
        list(curve.points), values, marker=_MARKERS[index], markersize=4, label=series_name(curve), **look
    )
    for size, own in curve.points.items():
        axes.plot([size, size], [100 * own.uar.low, 100 * own.uar.high], alpha=0.6, **look)
        if own.sources > 1:
            spread = [100 * own.lowest, 100 * own.highest]
            axes.plot([size, size], spread, alpha=0.2, **{**look, "linewidth": 6})
    if curve.ceiling is not None:
        axes.axhline(100 * curve.ceiling.uar.value, linestyle="--", alpha=0.8, **look)


def _score_axes(axes: "Axes", label: str, chance: float) -> None:
    axes.axhline(chance, color=_PALE, linestyle=(0, (1, 2)), linewidth=1)
    axes.set_xlabel(label)
    axes.set_ylabel("UAR in %")
    axes.grid(axis="y", color=_GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _curves(axes: "Axes", curves: Sequence[Curve], series: Mapping[str, int], chance: float) -> None:
    shots = sorted({number for curve in curves for number in curve.points})
    for curve in curves:
        index = series[series_name(curve)] % len(_COLOURS)
        look: dict[str, Any] = {"color": _COLOURS[index], "linewidth": 1.5}
        indices = [shots.index(number) for number in curve.points]
        values = [100 * own.uar.value for own in curve.points.values()]
        axes.plot(indices, values, marker=_MARKERS[index], markersize=4, label=series_name(curve), **look)
        for at, own in zip(indices, curve.points.values(), strict=True):
            axes.plot([at, at], [100 * own.uar.low, 100 * own.uar.high], alpha=0.6, **look)
        if curve.ceiling is not None:
            axes.axhline(100 * curve.ceiling.uar.value, linestyle="--", alpha=0.8, **look)
        if curve.alone:
            alone = [100 * own.uar.value for own in curve.alone.values()]
            name = f"{series_name(curve)}: target-only"
            axes.plot(
                [shots.index(number) for number in curve.alone], alone, linestyle=":", label=name, **look
            )
    axes.set_xticks(range(len(shots)), list(map(str, shots)))
    _score_axes(axes, "labelled utterances per emotion", chance)
