"""A study in the terminal: what the numbers say, the means, the train-by-test matrices, the warnings."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sercl.reports.cross_eval.summary import summary
from sercl.reports.cross_eval.tables import Table as TextTable
from sercl.reports.cross_eval.tables import matrix_tables, overview_table
from sercl.reports.style import table
from sercl.studies.cross_eval.analysis import Analysis


def terminal_report(analysis: Analysis) -> RenderableType:
    """Return the summary, the overview, the matrices of plain settings, and the warnings."""
    notes = (Text(f"Warning: {caution.text}", "yellow") for caution in analysis.cautions)
    matrices = [_drawn(own) for own in matrix_tables(analysis, plain=True)]
    return Group(
        Text(" ".join(summary(analysis))), Text(""), _drawn(overview_table(analysis)), *matrices, *notes
    )


def _drawn(own: TextTable) -> Table:
    """Draw a table; headings such as those of the overview are broken into lines."""
    grid = table(title=own.caption)
    if own.note:
        grid.caption, grid.caption_justify = own.note, "left"
    for name in own.columns[: own.texts]:
        grid.add_column(name, vertical="bottom")
    for name in own.columns[own.texts :]:
        grid.add_column(name, justify="right", vertical="bottom")
    for row in own.rows:
        grid.add_row(*row)
    return grid
