"""A study in the terminal: what the numbers say, the mean of each setting, and the warnings."""

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sercl.reports.cross_eval.summary import summary
from sercl.reports.cross_eval.tables import overview_table
from sercl.studies.cross_eval.analysis import Analysis


def terminal_report(analysis: Analysis) -> RenderableType:
    """Return the summary, the overview and the warnings."""
    notes = (Text(f"Warning: {caution.text}", "yellow") for caution in analysis.cautions)
    return Group(Text(" ".join(summary(analysis))), Text(""), _overview(analysis), *notes)


def _overview(analysis: Analysis) -> Table:
    """Return the overview; its headings are names of encoders and adapters, and are broken into lines."""
    own = overview_table(analysis)
    grid = Table(box=box.SIMPLE_HEAD, title=own.caption, title_justify="left", title_style="bold")
    grid.add_column(own.columns[0], no_wrap=True)
    for name in own.columns[1:]:
        grid.add_column(name, justify="right", vertical="bottom")
    for row in own.rows:
        grid.add_row(*row)
    return grid
