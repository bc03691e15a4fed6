"""The look that all tables share."""

from collections.abc import Collection

from rich import box
from rich.table import Table


def table(*columns: str, title: str | None = None, numbers: Collection[str] = ()) -> Table:
    """Return an empty table.

    Args:
        columns: Headings.
        title: A line above the table.
        numbers: Those of `columns` that hold numbers; they are set to the right and never broken.
    """
    grid = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for name in columns:
        if name in numbers:
            grid.add_column(name, justify="right", no_wrap=True)
        else:
            grid.add_column(name, overflow="fold")
    return grid
