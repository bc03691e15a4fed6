"""What `sercl listen import` has read, and which listeners its rules exclude."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sercl.listening.exclusion import Exclusions
from sercl.reports.style import table


def import_table(content: Mapping[str, Any]) -> Group:
    """Return the sizes of a table that was read, from `importing.files.content_of`."""
    grid = table("File", "Format", title=f"Imported: {content['kind']}")
    for path, name in content["formats"].items():
        grid.add_row(path, name)
    people = [] if content["listeners"] is None else [f"{content['listeners']} listeners"]
    sizes = [f"{content['rows']:,} rows", *people, f"{content['items']:,} items"]
    if content["unanswered"]:
        sizes.append(f"{content['unanswered']} unanswered")
    return Group(grid, Text(", ".join(sizes)))


def exclusion_table(exclusions: Exclusions) -> Table:
    """Return a row per listener: what the rules look at, and why they are excluded."""
    numbers = ("Answered %", "Checks failed", "Too fast %", "Longest run", "Consistent %")
    grid = table("Listener", *numbers, "Excluded because", title="Listeners", numbers=numbers)
    for own in exclusions.listeners:
        grid.add_row(
            own.listener,
            _share(own.answered),
            f"{own.failed} of {own.checks}",
            _share(own.fast),
            str(own.longest_run),
            _share(own.consistency),
            "; ".join(own.reasons),
            style="yellow" if own.reasons else None,
        )
    return grid


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f}"
