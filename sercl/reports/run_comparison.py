"""Comparison of two runs or studies, for the terminal and as plain data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from sercl.counting import count
from sercl.metrics.functional.clusters import MIN_SPEAKERS
from sercl.reports.cross_eval.wording import condition_name, p_value, points, points_interval, score_text
from sercl.reports.groups import group_tables
from sercl.reports.paired import difference_in_words, in_brackets, scores_side_by_side
from sercl.reports.results import recalls_of_a_guess
from sercl.reports.style import drawn, table
from sercl.studies.comparison import Compared, GroupCompared, RunComparison
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.results.groups import Grouping
from sercl.studies.results.scores import Score


def comparison_report(comparison: RunComparison) -> RenderableType:
    """Return the settings that differ, the scores of both, and the paired test."""
    names = [f"A: {comparison.folders[0]}", f"B: {comparison.folders[1]}"]
    parts: list[RenderableType] = [Text("\n".join(names)), _changes(comparison)]
    if comparison.rows[0].condition is None:
        row = comparison.rows[0]
        parts += [
            scores_side_by_side(row.first, row.second),
            Text(difference_in_words(row.paired)),
            *_left_out(row),
        ]
    else:
        parts += [_conditions(comparison.rows), *_alone(comparison)]
    parts += _groups(comparison.groups)
    notes = (*_guesses(comparison.rows), *_by_utterance(comparison.rows))
    return Group(*parts, *(Text(f"Note: {note}", "yellow") for note in notes))


def comparison_to_dict(comparison: RunComparison) -> dict[str, Any]:
    """Return everything as plain data for `json_text`."""
    return {
        "first": str(comparison.folders[0]),
        "second": str(comparison.folders[1]),
        "classes": list(comparison.classes),
        "changes": {change.option: [change.first, change.second] for change in comparison.changes},
        "results": [_row_to_dict(row) for row in comparison.rows],
        "only_first": [asdict(condition) for condition in comparison.only_first],
        "only_second": [asdict(condition) for condition in comparison.only_second],
        **({"groups": [asdict(own) for own in comparison.groups]} if comparison.groups else {}),
    }


def groups_report(groups: Mapping[Condition | None, Sequence[Grouping]]) -> RenderableType:
    """Return the scores of the groups in one run or study, and their differences."""
    rows = [
        ((condition_name(condition),) if condition else (), found)
        for condition, own in groups.items()
        for found in own
    ]
    return Group(*map(drawn, group_tables(rows, ("Condition",) if None not in groups else ())))


def groups_to_dict(groups: Mapping[Condition | None, Sequence[Grouping]]) -> list[dict[str, Any]]:
    """Return the same as plain data for `json_text`."""
    return [
        {"condition": asdict(condition) if condition else None, **found.to_dict()}
        for condition, own in groups.items()
        for found in own
    ]


def _changes(comparison: RunComparison) -> RenderableType:
    if comparison.settings_file is None:
        return Text(
            "The settings cannot be compared: A and B do not both have a stored configuration.", "yellow"
        )
    if not comparison.changes:
        return Text(f"The settings are identical ({comparison.settings_file}).")
    grid = table("What changed", "A", "B")
    for change in comparison.changes:
        grid.add_row(change.option, Text(_value(change.first)), Text(_value(change.second)))
    return grid


def _value(value: Any) -> str:
    return "null" if value is None else str(value)


def _left_out(row: Compared) -> list[Text]:
    notes = []
    if row.only_first or row.only_second:
        notes.append(
            f"A tested {count(row.only_first, 'utterance')} that B did not, B {row.only_second:,} that A "
            f"did not; the scores above cover all utterances of each, the test only the shared ones."
        )
    if row.paired.contradicting:
        notes.append(
            f"{count(row.paired.contradicting, 'utterance')} with different true classes in A and B left "
            f"out of the test."
        )
    return [Text(f"Note: {note}", "yellow") for note in notes]


def _guesses(rows: Sequence[Compared]) -> Iterator[str]:
    """Yield which side predicts one class only."""
    for side, own in (("A", [row.first for row in rows]), ("B", [row.second for row in rows])):
        found = [row for row, scores in zip(rows, own, strict=True) if recalls_of_a_guess(_recalls(scores))]
        if found:
            where = "" if rows[0].condition is None else f" in {_named(found)}"
            yield (
                f"{side} predicted one class for every utterance{where}: its UAR is that of guessing, "
                f"and its interval is meaningless."
            )


def _recalls(scores: Mapping[str, Score]) -> list[float]:
    return [score.value for name, score in scores.items() if name.startswith("recall/")]


def _by_utterance(rows: Sequence[Compared]) -> Iterator[str]:
    """Yield the caveat of intervals and tests that treat utterances, not speakers, as independent."""
    scores = [row for row in rows if "utterances" in (row.first["uar"].unit, row.second["uar"].unit)]
    tests = [row for row in rows if row.paired.test is not None and "utterances" in row.paired.test.unit]
    affected = [row for row in rows if row in scores or row in tests]
    if affected:
        things = " and ".join([*(["intervals"] if scores else []), *(["the test"] if tests else [])])
        where = "" if rows[0].condition is None else f" in {_named(affected)}"
        yield (
            f"speakers are unknown or fewer than {MIN_SPEAKERS}{where}: {things} resample utterances, not "
            "speakers, and are therefore too narrow for new speakers."
        )


def _named(rows: Sequence[Compared]) -> str:
    return "; ".join(condition_name(row.condition) for row in rows if row.condition)


def _conditions(rows: Sequence[Compared]) -> RenderableType:
    numbers = ("UAR of A", "UAR of B", "B - A", "p, Holm", "Differ")
    grid = table("Condition", *numbers, numbers=numbers)
    for row in rows:
        paired = row.paired
        grid.add_row(
            condition_name(row.condition) if row.condition else "",
            score_text(row.first["uar"]),
            score_text(row.second["uar"]),
            f"{points(paired.difference.value)}{in_brackets(points_interval(paired.difference))}",
            p_value(paired.p_holm),
            f"{paired.differ:,} of {paired.utterances:,}",
        )
    return grid


def _groups(groups: Sequence[GroupCompared]) -> list[RenderableType]:
    """Return a table for each column: a row per group."""
    tables: dict[str, RichTable] = {}
    numbers = ("UAR of A", "UAR of B", "B - A", "p, Holm", "Utterances")
    for own in groups:
        heads = (*(("Condition",) if own.condition else ()), own.column.capitalize())
        title = f"Groups by {own.column}; p is corrected for all of them"
        grid = tables.setdefault(own.column, table(*heads, *numbers, title=title, numbers=numbers))
        difference = own.paired.difference
        grid.add_row(
            *((condition_name(own.condition),) if own.condition else ()),
            own.value,
            score_text(own.first),
            score_text(own.second),
            f"{points(difference.value)}{in_brackets(points_interval(difference))}",
            p_value(own.paired.p_holm),
            f"{own.paired.utterances:,}",
        )
    return list(tables.values())


def _alone(comparison: RunComparison) -> list[Text]:
    lines = []
    for side, conditions in (("A", comparison.only_first), ("B", comparison.only_second)):
        if conditions:
            lines.append(Text(f"Only in {side}: {'; '.join(map(condition_name, conditions))}", "yellow"))
    return lines


def _row_to_dict(row: Compared) -> dict[str, Any]:
    return {
        "condition": asdict(row.condition) if row.condition else None,
        "first": {name: asdict(score) for name, score in row.first.items()},
        "second": {name: asdict(score) for name, score in row.second.items()},
        "paired": asdict(row.paired),
        "only_first": row.only_first,
        "only_second": row.only_second,
    }
