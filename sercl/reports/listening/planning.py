"""The results of `sercl listen power` and `sercl listen monitor`."""

from dataclasses import asdict
from math import isnan

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
from sercl.reports.style import TextTable

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
        f"{'of each group' if options.test in (GROUPS, NATIVE, DIALECT_BY_GROUP) else 'in all'}, items "
        f"{'in all' if options.test in (GROUPS, MODEL, EQUIVALENCE) else 'of each language or dialect'}. "
        f"Standard deviations in log-odds: {spread}."
    )
    return TextTable("power", question(own), columns, rows, note=note)


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
