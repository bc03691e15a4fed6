"""Problems as lines of a message: equal ones of a table together, with their number."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence

from sercl.corpora.base import Problem
from sercl.counting import count

MOST_REASONS = 30
"""Kinds of bad rows that are spelt out."""

_LABEL = re.compile(r"unknown emotion '([^']+)'")
_YAML_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])
_KINDS = {
    "label": ("with a bad label", "with bad labels"),
    "row": ("bad row of a table", "bad rows of a table"),
    "transcript": ("with a bad transcript", "with bad transcripts"),
    "copy": ("copy", "copies"),
}
"""Kinds of problems in words, one and several; the other kinds are words: "missing", "silent"."""

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


def label_hint(problems: Sequence[Problem]) -> str:
    """Return how the unknown labels of a manifest are mapped or dropped, "" where there is none."""
    found = (_LABEL.search(problem.reason) for problem in problems if problem.kind == "label")
    labels = list(dict.fromkeys(match[1] for match in found if match))
    if not labels:
        return ""
    words = [
        *(f"{_quoted(label)}: angry" for label in labels[:1]),
        *(f"{_quoted(label)}: drop" for label in labels[1:2]),
    ]
    option = f"--emotions {shlex.quote('{' + ', '.join(words) + '}')}"
    return f"Map labels, or drop them: {option}"


def _quoted(label: str) -> str:
    """Return a label as a key in YAML."""
    plain = label.replace(" ", "").isalpha() and label.lower() not in _YAML_WORDS
    return label if plain else json.dumps(label, ensure_ascii=False)


def kinds_text(kinds: Mapping[str, int]) -> str:
    """Return the number of problems of each kind: "2 missing, 1 with a bad label".

    Args:
        kinds: Kind of `Problem` -> number.
    """
    return ", ".join(count(number, *_KINDS.get(kind, (kind, kind))) for kind, number in kinds.items())


def _is_row(problem: Problem) -> bool:
    in_table = problem.line is not None or _ROW.match(problem.reason)
    return problem.kind in ("label", "row") and bool(in_table)


def _fault(problem: Problem) -> str:
    return _ROW.sub("", problem.reason, count=1) if _is_row(problem) else str(problem)


def _grouped(group: Sequence[Problem]) -> str:
    return f"{group[0]}" + (f" ({len(group)} rows in all)" if len(group) > 1 else "")
