"""Confusion matrices: shaded text for the terminal, a picture for the paper."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from sercl.reports.rendering import picture_file
from sercl.reports.style import table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Matrix = Sequence[Sequence[int]]
"""`[classes][classes]` counts, rows the truth."""

_LIGHT, _DARK = (247, 251, 255), (8, 48, 107)


def confusion_text(matrix: Matrix, classes: Sequence[str]) -> RenderableType:
    """Return the counts as a table; darker cells are larger fractions of the row.

    Args:
        matrix: `[classes][classes]` counts, rows the truth.
        classes: Class names in the order of the rows.
    """
    grid = table("True \\ predicted", *classes, numbers=classes)
    for name, row, fractions in zip(classes, matrix, row_shares(matrix), strict=True):
        cells = (
            Text(f" {count} ", style=_shade(fraction)) for count, fraction in zip(row, fractions, strict=True)
        )
        grid.add_row(name, *cells)
    return grid


def row_shares(matrix: Matrix) -> list[list[float]]:
    """Return each count as a fraction of its row, 0 in an empty row."""
    return [[count / (sum(row) or 1) for count in row] for row in matrix]


def confusion_figure(matrix: Matrix, classes: Sequence[str], path: Path | str, title: str = "") -> None:
    """Write the matrix as a picture; shades and percentages are fractions of the true class.

    Args:
        matrix: `[classes][classes]` counts, rows the truth.
        classes: Class names in the order of the rows.
        path: The file; its suffix (.png, .pdf, .svg) is the format.
        title: A line above the picture.

    Raises:
        UnknownNameError: For another suffix.
        OutputError: Where the file cannot be written.
    """
    side = 1.6 + 0.85 * len(classes)
    with picture_file(path, {}) as figure:
        figure.set_size_inches(side, side)
        figure.set_layout_engine("constrained")
        axes = figure.add_subplot()
        axes.imshow(row_shares(matrix), cmap="Blues", vmin=0, vmax=1)
        _label(axes, classes, title)
        _write_cells(axes, matrix)


def _shade(fraction: float) -> str:
    red, green, blue = (
        round(light + fraction * (dark - light)) for light, dark in zip(_LIGHT, _DARK, strict=True)
    )
    ink = "white" if fraction > 0.5 else "black"
    return f"{ink} on rgb({red},{green},{blue})"


def _label(axes: "Axes", classes: Sequence[str], title: str) -> None:
    ticks = range(len(classes))
    slanted = len(classes) > 4
    axes.set_xticks(ticks, classes, rotation=35 if slanted else 0, ha="right" if slanted else "center")
    axes.set_yticks(ticks, classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, fontsize=11, pad=10)
    _separate_cells(axes, [tick + 0.5 for tick in ticks[:-1]])


def _separate_cells(axes: "Axes", borders: Sequence[float]) -> None:
    axes.set_xticks(borders, minor=True)
    axes.set_yticks(borders, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def _write_cells(axes: "Axes", matrix: Matrix) -> None:
    for row, (counts, fractions) in enumerate(zip(matrix, row_shares(matrix), strict=True)):
        for column, (count, fraction) in enumerate(zip(counts, fractions, strict=True)):
            ink = "white" if fraction > 0.5 else "black"
            text = f"{fraction:.0%}" if sum(counts) else "-"
            axes.text(column, row - 0.09, text, ha="center", va="center", color=ink, fontsize=11)
            axes.text(column, row + 0.2, str(count), ha="center", va="center", color=ink, fontsize=7.5)
