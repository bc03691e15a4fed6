"""Problems as lines of a message: equal ones of a table together, with their number."""

import re
from collections.abc import Sequence

from sercl.corpora.base import Problem

MOST_REASONS = 30
"""Kinds of bad rows that are spelt out."""

_ROW = re.compile(r"row \d+ of [^:]*: ")


def problem_lines(problems: Sequence[Problem], most: int) -> list[str]:
    """Return a line for each problem.

    Rows of tables with the same fault share a line, which shows the first and their number; so that all bad
    labels of a table are seen at once.

    Args:
        problems: In the order in which they are shown.
        most: Problems of other kinds that are spelt out; the others are counted.
    """
    groups: dict[str, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(_fault(problem), []).append(problem)
    rows = [group for group in groups.values() if _is_row(group[0])]
    others = [problem for problem in problems if not _is_row(problem)]
    lines = [_grouped(group) for group in rows[:MOST_REASONS]]
    lines += [str(problem) for problem in others[:most]]
    more = sum(map(len, rows[MOST_REASONS:])) + len(others[most:])
    return [*lines, f"and {more} more"] if more else lines


def _is_row(problem: Problem) -> bool:
    in_table = problem.line is not None or _ROW.match(problem.reason)
    return problem.kind in ("label", "row") and bool(in_table)


def _fault(problem: Problem) -> str:
    return _ROW.sub("", problem.reason, count=1) if _is_row(problem) else str(problem)


def _grouped(group: Sequence[Problem]) -> str:
    return f"{group[0]}" + (f" ({len(group)} rows in all)" if len(group) > 1 else "")
