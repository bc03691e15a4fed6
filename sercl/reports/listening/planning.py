"""The results of `sercl listen power` and `sercl listen monitor`."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

from sercl.counting import count
from sercl.listening.monitoring import Monitoring, Verdict
from sercl.listening.power import (
    DIALECT,
    DIALECT_BY_GROUP,
    EQUIVALENCE,
    GROUPS,
    MODEL,
    NATIVE,
    Power,
    PowerCell,
    PowerOptions,
)
from sercl.reports.rendering import COLOURS, GRID, MARKERS, PALE, STYLE, picture_file
from sercl.reports.style import TextTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDE, _HIGH = 60, 11
"""Size of the chart in a terminal, in characters."""
_STYLES = ("cyan", "yellow", "green", "magenta", "blue", "red")
_SIGNS = "●■▲◆▼✚"

_QUESTIONS = {
    GROUPS: "Two groups differ by",
    NATIVE: "The native advantage (interaction) is",
    DIALECT: "A dialect costs",
    DIALECT_BY_GROUP: "A dialect costs one group more than another by",
    MODEL: "Listeners and model differ by",
}


def power_table(own: Power) -> TextTable:
    """Return the power of each number of listeners and items, in percent."""
    options = own.options
    by_size = {(cell.listeners, cell.items): cell for cell in own.cells}
    rows = tuple(
        (str(people), *(_share(by_size[people, items]) for items in options.items))
        for people in options.listeners
    )
    columns = ("Listeners", *(f"{items} items" for items in options.items))
    spread = ", ".join(
        f"{name.replace('_', ' ')} {value:.2f}" for name, value in asdict(options.spread).items()
    )
    note = (
        f"Power in %, in brackets the 95 % interval of {options.simulations:,} simulated tests. Listeners "
        f"{_listeners_of(options)}, items {_items_of(options)}. "
        f"Standard deviations in log-odds: {spread}."
    )
    return TextTable("power", question(own), columns, rows, note=note)


def power_chart(own: Power) -> Text:
    """Return the power over the number of items, a curve per number of listeners, for a terminal."""
    cells = [[(" ", "")] * (_WIDE + 1) for _ in range(_HIGH)]
    cells[_row(own.options.power)] = [("╌", "dim")] * (_WIDE + 1)
    ends: dict[int, list[tuple[str, str, str]]] = {}
    for index, (people, items, powers) in enumerate(_curves(own)):
        style = _STYLES[index % len(_STYLES)]
        places = _columns(items)
        for column in range(places[-1] + 1):
            cells[_row(float(np.interp(column, places, powers)))][column] = ("·", style)
        for column, power in zip(places, powers, strict=True):
            cells[_row(power)][column] = (_SIGNS[index % len(_SIGNS)], style)
        ends.setdefault(_row(powers[-1]), []).append((_SIGNS[index % len(_SIGNS)], str(people), style))
    lines = [
        Text.assemble(f"{100 - 10 * number:>5} ", *row, " ", _ends_text(ends.get(number, [])))
        for number, row in enumerate(cells)
    ]
    items = sorted(own.options.items)
    below = [" "] * (_WIDE + 4)
    for column, size in zip(_columns(items), items, strict=True):
        below[column : column + len(str(size))] = str(size)
    head = Text("Power in % over the number of items; at the right, the number of listeners", "bold")
    return Text("\n").join([head, *lines, Text(f"{'':6}{''.join(below).rstrip()}", "dim")])


def _ends_text(ends: Sequence[tuple[str, str, str]]) -> Text:
    """Return what curves that end in one row stand for; of several, only the last has its sign in the row."""
    shown = (Text(f"{sign} {name}" if len(ends) > 1 else name, style) for sign, name, style in ends)
    return Text("   ").join(shown)


def _row(power: float) -> int:
    return round((1 - power) * (_HIGH - 1))


def _columns(items: list[int]) -> list[int]:
    return [round(_WIDE * (size - items[0]) / (items[-1] - items[0])) for size in items]


def _curves(own: Power) -> Iterator[tuple[int, list[int], list[float]]]:
    """Yield number of listeners, numbers of items in order, and their powers."""
    items = sorted(own.options.items)
    by_size = {(cell.listeners, cell.items): cell.power for cell in own.cells}
    for people in own.options.listeners:
        yield people, items, [by_size[people, size] for size in items]


def power_figure(own: Power, path: Path) -> None:
    """Draw the power over the number of items, a curve with intervals per number of listeners.

    Args:
        own: The result.
        path: The file; its suffix (.png, .pdf, .svg) is the format.

    Raises:
        UnknownNameError: For another suffix.
        OutputError: If the file cannot be written.
    """
    with picture_file(path, STYLE) as figure:
        figure.set_size_inches(8.0, 4.2)
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        for index, people in enumerate(own.options.listeners):
            _draw_curve(axes, [cell for cell in own.cells if cell.listeners == people], index)
        axes.axhline(100 * own.options.power, color=PALE, linestyle=(0, (1, 2)), label="wanted power")
        _frame(axes, own)
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=9,
            title=f"listeners {_listeners_of(own.options)}",
        )  # fmt: skip
        figure.suptitle(question(own), x=0.02, ha="left", size=11, weight="bold")


def _draw_curve(axes: "Axes", cells: list[PowerCell], index: int) -> None:
    cells = sorted(cells, key=lambda cell: cell.items)
    sizes, powers = [cell.items for cell in cells], [100 * cell.power for cell in cells]
    colour = COLOURS[index % len(COLOURS)]
    low, high = ([100 * getattr(cell, end) for cell in cells] for end in ("low", "high"))
    axes.fill_between(sizes, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(
        sizes, powers, color=colour, marker=MARKERS[index % len(MARKERS)], markersize=5, linewidth=1.8,
        label=str(cells[0].listeners),
    )  # fmt: skip


def _frame(axes: "Axes", own: Power) -> None:
    axes.set_ylim(0, 101.5)
    axes.set_xticks(sorted(own.options.items))
    axes.set_xlabel(f"items {_items_of(own.options)}")
    axes.set_ylabel(f"power in %, {own.options.simulations:,} simulated tests each")
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines[["top", "right"]].set_visible(False)


def _items_of(own: PowerOptions) -> str:
    of_each = "in all" if own.test in (GROUPS, MODEL, EQUIVALENCE) else "of each language or dialect"
    return of_each if own.heard is None else f"{of_each}, of which each listener hears {own.heard}"


def _listeners_of(own: PowerOptions) -> str:
    return "of each group" if own.test in (GROUPS, NATIVE, DIALECT_BY_GROUP) else "in all"


def question(own: Power) -> str:
    """Return what the simulated tests look for."""
    options = own.options
    points = f"{100 * options.true_difference:g} points"
    if options.test == EQUIVALENCE:
        margin = f"{100 * options.equal_within:g} points"
        what = f"Listeners and model are equal within {margin} (they differ by {points})"
    else:
        what = f"{_QUESTIONS[options.test]} {points}"
    return f"{what}; UAR {100 * options.better_uar:.1f} %, p below {options.alpha:g}"


def smallest_text(own: Power) -> str:
    """Return the smallest number of listeners and items with the wanted power."""
    wanted, cell = f"power {own.options.power:g}", own.smallest
    if cell is None:
        return (
            f"No number of listeners and items here has {wanted}: try larger ones, --listeners and --items."
        )
    people = f"{count(cell.listeners, 'listener')}{_each(own.options)}"
    return f"Fewest answers with {wanted}: {people}, {cell.items} items."


def _each(own: PowerOptions) -> str:
    return " in each group" if own.test in (GROUPS, NATIVE, DIALECT_BY_GROUP) else ""


def _share(cell: PowerCell) -> str:
    return f"{100 * cell.power:.0f} ({100 * cell.low:.0f} to {100 * cell.high:.0f})"


def monitor_table(own: Monitoring) -> TextTable:
    """Return a row per group or difference."""
    rows = tuple(
        (each.name, _percent(each), each.text, str(each.listeners), str(each.items)) for each in own.verdicts
    )
    over = "listeners" if own.options.these_items else "listeners and items"
    note = (
        f"In brackets intervals over {over} that hold together, with 95 %, at all times of the test: looking "
        "does not cheat. Numbers of more listeners or items are rough."
    )
    columns = ("What", "UAR, or difference, %", "What to do", "Listeners", "Items")
    return TextTable("monitor", "The test so far", columns, rows, texts=3, note=note)


def summary_text(own: Monitoring) -> str:
    """Return whether the test can stop, in a sentence."""
    left = f" {count(own.incomplete, 'listener')} who are not done do not count." if own.incomplete else ""
    return ("The test can stop." if own.can_stop else "The test should go on.") + left


def _percent(own: Verdict) -> str:
    if isnan(own.value):
        return "-"
    ends = "" if isnan(own.low) else f" ({100 * own.low:.1f} to {100 * own.high:.1f})"
    return f"{100 * own.value:.1f}{ends}".replace("-", "−")
