r"""The tables of a study as LaTeX, to be taken into a paper with `\input`."""

from collections.abc import Iterable

from sercl.reports.cross_eval.facts import title
from sercl.reports.cross_eval.tables import (
    Table,
    comparison_tables,
    few_shot_table,
    layer_table,
    matrix_tables,
    overview_table,
    published_table,
    score_tables,
)
from sercl.studies.cross_eval.analysis.analysis import Analysis

_HEAD = r"""% {title}
% Written by sercl. Needs \usepackage{{booktabs}} and \usepackage{{graphicx}}: wide tables are scaled.
"""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "−": "$-$",
    "→": r"$\rightarrow$",
    "–": "--",
    "†": r"$\dagger$",
}
WIDE = 60
"""Tables with more characters in a line than this are scaled to the width of the line."""


def latex_report(analysis: Analysis) -> str:
    """Return every table of the report as a float with caption and label."""
    optional = (few_shot_table(analysis), layer_table(analysis), published_table(analysis))
    tables = [
        overview_table(analysis),
        *matrix_tables(analysis),
        *comparison_tables(analysis),
        *(table for table in optional if table),
        *score_tables(analysis),
    ]
    parts = [latex_table(table, label) for table, label in zip(tables, _labels(tables), strict=True)]
    return "\n".join([_HEAD.format(title=title(analysis.study)), *parts])


def latex_table(table: Table, label: str) -> str:
    """Return one table with the rules of booktabs.

    Args:
        table: The table.
        label: Its label, without "tab:".
    """
    columns = "l" * table.texts + "r" * (len(table.columns) - table.texts)
    body = "\n".join(_row(row) for row in table.rows)
    tabular = (
        f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{_row(table.columns)}\n\\midrule\n{body}\n\\bottomrule\n"
        "\\end{tabular}"
    )
    if _width(table) > WIDE:
        tabular = f"\\resizebox{{\\linewidth}}{{!}}{{%\n{tabular}}}"
    text = f"{table.caption}. {table.note}".rstrip()
    caption = f"\\caption{{{escaped(text)}}}\n\\label{{tab:{label}}}"
    return f"\\begin{{table}}[t]\n\\centering\n{caption}\n{tabular}\n\\end{{table}}\n"


def escaped(text: str) -> str:
    """Return text with all that LaTeX takes for a command spelt out."""
    return "".join(_SPECIAL.get(char, char) for char in text)


def _row(cells: Iterable[str]) -> str:
    return f"{' & '.join(map(_cell, cells))} \\\\"


def _cell(text: str) -> str:
    lines = [escaped(line) for line in text.split("\n")]
    stacked = r" \\ ".join(lines)
    return stacked if len(lines) == 1 else rf"\shortstack[r]{{{stacked}}}"


def _width(table: Table) -> int:
    """Return the characters of a line of the table, without the space between columns."""
    columns = zip(table.columns, *table.rows, strict=True)
    return sum(max(len(line) for cell in cells for line in cell.split("\n")) for cells in columns)


def _labels(tables: Iterable[Table]) -> list[str]:
    """Return a label for every table, numbered where several have the same name."""
    names = [table.name for table in tables]
    return [
        f"{name}-{names[:place].count(name) + 1}" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    ]
