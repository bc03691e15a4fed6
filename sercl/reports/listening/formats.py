"""A comparison of listeners in every format."""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from sercl.files import CsvWriter, write_text
from sercl.json_text import json_text
from sercl.listening.comparison.answers import Measure
from sercl.listening.comparison.compare import Comparison
from sercl.listening.comparison.segments import Boundaries
from sercl.reports.cross_eval.tables import latex_table, markdown_table
from sercl.reports.listening.html import html_report
from sercl.reports.listening.tables import (
    SEGMENTS_HEADING,
    claims_table,
    contrasts_table,
    errors_table,
    filled,
    groups_table,
    mixed_table,
    models_table,
    sections,
    worth_table,
)
from sercl.reports.listening.wording import summary
from sercl.reports.style import drawn

Facts = Sequence[tuple[str, str]]


def terminal_report(own: Comparison, only_claims: bool = False) -> RenderableType:
    """Return the main tables and the notes, or only the claims of the study."""
    if only_claims:
        return drawn(claims_table(own))
    tables = [groups_table(own), models_table(own), errors_table(own), worth_table(own), contrasts_table(own)]
    tables += [mixed_table(own), *sections(own).get(SEGMENTS_HEADING, []), claims_table(own)]
    notes = [Text(f"Note: {note}", "dim") for note in own.notes]
    return Group(*map(drawn, filled(tables)), *notes)


def write_report(own: Comparison, folder: Path, title: str, facts: Facts, command: str) -> list[Path]:
    """Write report.html, report.md, report.tex, scores.csv and comparison.json, and return them.

    Raises:
        OutputError: If a file cannot be written.
    """
    texts = {
        "report.html": html_report(own, title, facts, command),
        "report.md": markdown_report(own, title, facts, command),
        "report.tex": latex_report(own),
        "scores.csv": scores_csv(own),
        "comparison.json": json_text(own.to_dict(), indent=2) + "\n",
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def markdown_report(own: Comparison, title: str, facts: Facts, command: str) -> str:
    """Return the report with tables in GitHub's Markdown."""
    lines = [f"# {title}\n", *(f"* {name}: {value}" for name, value in facts), ""]
    lines += [f"* {sentence}" for sentence in summary(own)]
    lines += ["\n## Read this first\n", *(f"* {note}" for note in own.notes), ""]
    for heading, tables in sections(own).items():
        lines += [f"## {heading}\n", *map(markdown_table, tables)]
    return "\n".join([*lines, "## Reproduce\n", f"```\n{command}\n```\n"])


def latex_report(own: Comparison) -> str:
    """Return every table as a float with caption and label."""
    tables = [table for found in sections(own).values() for table in found]
    names = [table.name for table in tables]
    labels = [
        f"{name}-{names[:index].count(name) + 1}" if names.count(name) > 1 else name
        for index, name in enumerate(names)
    ]
    head = "% Written by sercl. Needs \\usepackage{booktabs} and \\usepackage{graphicx}.\n"
    return "\n".join(
        [head, *(latex_table(table, label) for table, label in zip(tables, labels, strict=True))]
    )


_COLUMNS = (
    "about", "group", "language", "dialect", "model", "emotion", "score", "value", "low", "high", "p",
    "p_holm", "listeners", "items",
)  # fmt: skip


def scores_csv(own: Comparison) -> str:
    """Return a row per score, with its interval."""
    buffer = io.StringIO()
    writer = CsvWriter(buffer)
    writer.writerow(_COLUMNS)
    for row in (*_of_groups(own), *_of_models(own), *_of_segments(own), *_of_contrasts(own)):
        writer.writerow([_cell(row.get(name, "")) for name in _COLUMNS])
    return buffer.getvalue()


Row = Mapping[str, Any]


def _row(score: str, own: Measure | None, **more: Any) -> Row:
    return {"score": score, **more, **({} if own is None else asdict(own))}


def _of_groups(own: Comparison) -> Iterator[Row]:
    for each in own.groups:
        where = {"about": "group", "group": each.group, "language": each.language, "dialect": each.dialect}
        yield _row("uar", each.uar, **where)
        if each.alpha is not None:
            yield _row("alpha", each.alpha, **where)
        for emotion in each.emotions:
            for name in ("recall", "hu", "d_prime", "criterion"):
                if (score := getattr(emotion, name)) is not None:
                    yield _row(name, score, emotion=emotion.emotion, **where)
    for group, again in own.consistency.items():
        yield _row("consistency", again, about="group", group=group)


def _of_models(own: Comparison) -> Iterator[Row]:
    for each in own.models:
        where = {"about": "model", "group": each.group, "model": each.model}
        yield _row("uar of listeners", each.people, **where)
        yield _row("uar of model", each.machine, **where)
        yield _row("difference", each.difference, p=each.p, p_holm=each.p_holm, **where)
        yield _row("error consistency", each.consistency, **where)
        yield _row("difficulty", each.difficulty, **where)
        for emotion, score in each.emotions.items():
            yield _row("difference of recall", score, emotion=emotion, **where)
        for name, found in (("worth", each.worth), ("worth by log-loss", each.worth_by_loss)):
            if found is not None:
                ends = {"value": found.listeners, "low": found.low, "high": found.high}
                yield {"score": name, **where, **ends, "listeners": each.listeners, "items": each.items}
        if each.soft is not None:
            yield _row("divergence of votes", each.soft.divergence, **where)
            yield _row("cross-entropy", each.soft.cross_entropy, **where)


def _of_segments(own: Comparison) -> Iterator[Row]:
    found = own.segments
    if found is None:
        return
    for each in (*found.groups, *found.models):
        about = "group" if each in found.groups else "model"
        where = {"about": about, "group": each.group, "language": each.language, "dialect": each.dialect}
        if about == "model":
            where |= {"group": "", "model": each.group}
        yield from (_row(name, score, **where) for name, score in each.errors.items())
        if each.boundaries is not None:
            yield from _of_boundaries(each.boundaries, "boundaries", where)
        if each.between is not None:
            yield _row("disagreement", each.between.disagreement, **where)
            yield _row("alpha over time", each.between.alpha, **where)
            yield from _of_boundaries(each.between.boundaries, "boundaries of each other", where)
    for row in found.against:
        where = {"about": "model", "group": row.group, "model": row.model}
        yield _row("disagreement", row.disagreement, **where)
        yield from _of_boundaries(row.boundaries, "boundaries of each other", where)
        if row.difference is not None:
            yield _row("eder of listeners", row.people, **where)
            yield _row("eder of model", row.machine, **where)
            yield _row("difference of eder", row.difference, p=row.p, p_holm=row.p_holm, **where)
            yield from (_row(f"difference of {name}", score, **where) for name, score in row.parts.items())


def _of_boundaries(own: Boundaries, what: str, where: Mapping[str, str]) -> Iterator[Row]:
    yield _row(f"{what} within tolerance", own.within, **where)
    yield _row(f"{what}: start, median s", own.start, **where)
    yield _row(f"{what}: end, median s", own.end, **where)


def _of_contrasts(own: Comparison) -> Iterator[Row]:
    for each in own.contrasts:
        yield _row(each.name, each.difference, about=each.kind, p=each.p, p_holm=each.p_holm)
    for model in own.mixed_models:
        for each in model.contrasts:
            where = {"about": f"mixed model, log-odds: {each.kind}", "model": model.judge}
            yield _row(each.name, each.difference, p=each.p, p_holm=each.p_holm, **where)
    for claim in own.claims:
        yield _row(
            claim.name, claim.difference, about=f"claim: {claim.verdict}", p=claim.p, p_holm=claim.p_holm
        )


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value
