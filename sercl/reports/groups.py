"""Scores of groups of utterances, and their differences, as tables."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType

from sercl.counting import count
from sercl.metrics.functional.classification import AVERAGES
from sercl.metrics.functional.eder import ERRORS
from sercl.metrics.functional.intervals import SIGNIFICANT
from sercl.reports.cross_eval.wording import p_value, points, points_interval, score_text
from sercl.reports.results import average_interval, average_text
from sercl.reports.style import TextTable, drawn
from sercl.studies.results.groups import GroupDifference, Grouping, GroupScores

Rows = Sequence[tuple[tuple[str, ...], Grouping]]
"""What was tested, in the first columns of its rows, and its groups."""

TEST_NOTE = (
    "Welch's test over speakers, with a jackknife standard error; speakers in both groups are paired. The "
    "interval is not corrected. A difference is significant if its p-value is below "
    f"{SIGNIFICANT:g} after Holm's correction for all differences of one system and column."
)


def group_tables(rows: Rows, heads: Sequence[str] = ()) -> list[TextTable]:
    """Return the scores of the groups and their differences, two tables for each column.

    Args:
        rows: What was tested, and its groups.
        heads: Headings of what was tested.
    """
    columns = dict.fromkeys(found.column for _, found in rows)
    by_column = {name: [row for row in rows if row[1].column == name] for name in columns}
    return [table for name, own in by_column.items() for table in _tables(name, own, heads)]


def groups_report(groupings: Sequence[Grouping]) -> RenderableType:
    """Return the groups of one run, for the terminal."""
    return Group(*map(drawn, group_tables([((), own) for own in groupings])))


def _tables(column: str, rows: Rows, heads: Sequence[str]) -> Iterator[TextTable]:
    first = rows[0][1]
    titles = map(_title, first.groups[0].scores)
    what = "averages and recalls" if first.score in AVERAGES else "EDER, its parts and the UAR of frames"
    yield TextTable(
        f"groups-{column}",
        f"Scores by {column}: {what} (%) with their 95 % intervals",
        (*heads, column.capitalize(), first.counted.capitalize(), "Speakers", *titles),
        tuple((*own, *_scores(group)) for own, found in rows for group in found.groups),
        texts=len(heads) + 1,
        note=" ".join(_remarks(rows)),
    )
    yield TextTable(
        f"group-differences-{column}",
        f"Differences between groups by {column}: {_title(first.score)} (points), first minus second",
        (*heads, "First", "Second", "Difference", "95 % interval", "p", "p, Holm", "Units"),
        tuple((*own, *_difference(item)) for own, found in rows for item in found.differences),
        texts=len(heads) + 2,
        note=" ".join((TEST_NOTE, *_untested(rows))),
    )


def _title(name: str) -> str:
    for known in (AVERAGES, ERRORS):
        if name in known:
            return known[name].title
    return name.removeprefix("recall/")


def _scores(group: GroupScores) -> tuple[str, ...]:
    speakers = "unknown" if group.speakers is None else str(group.speakers)
    return (
        f"{group.value} *" if group.remarks else group.value,
        f"{group.utterances:,}",
        speakers,
        *(_score(name, group) for name in group.scores),
    )


def _score(name: str, group: GroupScores) -> str:
    score = group.scores[name]
    if name not in AVERAGES:
        return score_text(score)
    ends = average_interval(name, score)
    return average_text(name, score.value) + (f" ({ends})" if ends else "")


def _remarks(rows: Rows) -> Iterator[str]:
    remarks: dict[str, list[str]] = {}
    for _, found in rows:
        for group in found.groups:
            for remark in group.remarks:
                owners = remarks.setdefault(remark, [])
                owners += [] if group.value in owners else [group.value]
    yield from (f"* {', '.join(owners)}: {remark}." for remark, owners in remarks.items())


def _difference(item: GroupDifference) -> tuple[str, ...]:
    score = item.difference
    both = f", {item.shared} in both" if item.shared else ""
    return (
        item.first,
        item.second,
        points(score.value),
        points_interval(score) or "-",
        p_value(item.p),
        p_value(item.p_holm),
        count(score.count, score.unit.removesuffix("s"), score.unit) + both,
    )


def _untested(rows: Rows) -> list[str]:
    """Return the sentence on differences without a test, if there are any."""
    reasons = dict.fromkeys(item.reason for _, found in rows for item in found.differences if item.reason)
    return [f"No test where {'; '.join(reasons)}."] if reasons else []
