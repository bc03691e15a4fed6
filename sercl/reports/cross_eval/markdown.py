"""The report of a study as Markdown."""

from collections.abc import Iterator

from sercl.reports.cross_eval.facts import bibtex, facts, title, versions
from sercl.reports.cross_eval.summary import summary
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


def markdown_report(analysis: Analysis) -> str:
    """Return the report; its tables are those of GitHub's Markdown."""
    return "\n".join(_lines(analysis))


def markdown_table(table: Table) -> str:
    """Return one table, its caption above it in bold, its note below it."""
    rules = ["---"] * table.texts + ["---:"] * (len(table.columns) - table.texts)
    rows = [list(table.columns), rules, *map(list, table.rows)]
    body = "\n".join(f"| {' | '.join(map(_escaped, row))} |" for row in rows)
    note = f"\n{_escaped(table.note)}\n" if table.note else ""
    return f"**{_escaped(table.caption)}**\n\n{body}\n{note}"


def _lines(analysis: Analysis) -> Iterator[str]:
    yield f"# {title(analysis.study)}\n"
    yield from (f"* {name}: {value}" for name, value in facts(analysis))
    yield f"\n{' '.join(summary(analysis))}\n"
    if analysis.cautions:
        yield "## Read this first\n"
        yield from (f"* {caution.text}" for caution in analysis.cautions)
        yield ""
    for heading, tables in _sections(analysis).items():
        if tables:
            yield f"## {heading}\n"
            yield from map(markdown_table, tables)
    yield "## Reproduce\n"
    yield f"```\n{analysis.study.environment.get('command', '')}\n```\n"
    yield from (
        f"* Encoder {name}: {own.source} ({own.family}, weights {own.fingerprint[:12]})"
        for name, own in analysis.study.encoders.items()
    )
    yield from (f"* {name} {version}" for name, version in versions(analysis.study))
    yield "\n## Cite\n"
    yield f"```bibtex\n{bibtex(str(analysis.study.environment.get('sercl', '')))}```\n"


def _sections(analysis: Analysis) -> dict[str, list[Table]]:
    few_shot, published = few_shot_table(analysis), published_table(analysis)
    layers = layer_table(analysis)
    return {
        "Overview": [overview_table(analysis)],
        "Train by test": matrix_tables(analysis),
        "Paired tests": comparison_tables(analysis),
        "Few-shot": [few_shot] if few_shot else [],
        "Scores and emotions": score_tables(analysis),
        "Hidden states": [layers] if layers else [],
        "Published figures": [published] if published else [],
    }


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", "<br>")
