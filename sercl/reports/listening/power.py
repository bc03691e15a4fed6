"""The result of `sercl listen power`."""

from dataclasses import asdict

from sercl.counting import count
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
