"""A study's report in every format, and its plan before it is run."""

import hashlib
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import stdev

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sercl.counting import count
from sercl.errors import UnknownNameError
from sercl.files import CsvWriter, write_text
from sercl.metrics.functional.classification import AVERAGES
from sercl.reports.cross_eval.figures import write_figures
from sercl.reports.cross_eval.html import html_report
from sercl.reports.cross_eval.summary import summary
from sercl.reports.cross_eval.tables import (
    forgetting_table,
    grouped_tables,
    latex_report,
    markdown_report,
    matrix_tables,
    overview_table,
    union_tables,
)
from sercl.reports.cross_eval.wording import comparison_row
from sercl.reports.style import drawn, table
from sercl.studies.cross_eval.analysis.analysis import Analysis
from sercl.studies.cross_eval.analysis.scores import ConditionScores
from sercl.studies.cross_eval.cells import CONDITION_FIELDS, Condition, Study
from sercl.studies.cross_eval.plan.planner import Plan, PlannedCell
from sercl.studies.cross_eval.run.works import Estimate, Pending
from sercl.studies.results.forgetting import COLUMNS as FORGETTING_COLUMNS
from sercl.studies.results.predictions import frame_to_csv
from sercl.studies.results.scores import Score, in_front
from sercl.version import __version__

_TEST_COLUMNS = (
    "family", "scope", "encoder", "adapter", "setting", "tags", "corpora", "first", "second", "first_uar",
    "second_uar", "difference", "low", "high", "p", "p_holm", "p_mcnemar", "exact", "units", "unit_count",
    "utterances", "differ",
)  # fmt: skip


def scores_csv(analysis: Analysis) -> str:
    """Return a row per condition: its fields, every score with its interval, and sample sizes."""
    names = [*AVERAGES, *(f"recall_{name}" for name in analysis.study.classes)]
    ends = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    head = [
        *CONDITION_FIELDS,
        *ends,
        "ece",
        "uar_sd_of_repeats",
        "utterances",
        "speakers",
        "folds",
        "repeats",
    ]
    return _csv(
        [
            [*head, "interval_over", "cells", "one_class_cells"],
            *(_score_row(own) for own in analysis.scores.values()),
        ]
    )


def comparisons_csv(analysis: Analysis) -> str:
    """Return a row per paired test, first those over all corpora, then each pair of corpora."""
    return _csv([_TEST_COLUMNS, *_test_rows(analysis)])


def forgetting_csv(analysis: Analysis) -> str:
    """Return a row per condition and score of its source before and after; "" for none."""
    if not analysis.forgetting:
        return ""
    rows = [list(row.values()) for own in analysis.forgetting for row in own.rows()]
    return _csv([[*CONDITION_FIELDS, *FORGETTING_COLUMNS], *rows])


def _score_row(own: ConditionScores) -> list[object]:
    scores = (*own.averages.values(), *own.recalls)
    return [
        *(getattr(own.condition, name) for name in CONDITION_FIELDS),
        *(value for score in scores for value in _ends(score)),
        own.ece,
        stdev(own.run_uar) if len(own.run_uar) > 1 else None,
        own.utterances,
        own.speakers,
        len(own.folds),
        len(own.runs),
        own.uar.unit,
        own.cells,
        own.one_class,
    ]


def _test_rows(analysis: Analysis) -> Iterator[list[object]]:
    for family in analysis.families:
        scopes = [("all", item) for item in family.overall] + [("pair", item) for item in family.comparisons]
        for scope, item in scopes:
            row = comparison_row(item, family, analysis.scores)
            paired, test = row.paired, row.paired.test
            yield [
                family.name, scope, row.encoder, item.first.adapter if row.adapter else "", row.setting,
                "; ".join(row.tags), row.corpora.replace("→", "->"), row.first, row.second, row.first_uar,
                row.second_uar, *_ends(paired.difference), test.p if test else None, paired.p_holm,
                paired.mcnemar, test.exact if test else None, paired.difference.unit, paired.difference.count,
                paired.utterances, paired.differ,
            ]  # fmt: skip


def sources_csv(analysis: Analysis) -> str:
    """Return a row per point of the curves over the number of corpora that were trained on; "" for none."""
    if not analysis.source_curves:
        return ""
    fields = [name for name in CONDITION_FIELDS if name != "source"]
    head = [*fields, "corpora", "sources", "uar", "uar_low", "uar_high", "interval_over", "units"]
    rows = (
        [
            *(getattr(curve.condition, name) for name in fields), size, point.sources, *_ends(point.uar),
            point.uar.unit, point.uar.count, point.lowest, point.highest,
        ]
        for curve in analysis.source_curves
        for size, point in curve.points.items()
    )  # fmt: skip
    return _csv([[*head, "lowest", "highest"], *rows])


def _ends(score: Score) -> tuple[float, float, float]:
    return score.value, score.low, score.high


def _csv(rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    CsvWriter(buffer).writerows([_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return "" if value is None else value


def groups_csv(analysis: Analysis) -> str:
    """Return a row per condition, group and score, and one per difference; "" if no groups were asked for."""
    frames = [
        in_front(asdict(condition), found.to_frame())
        for condition, groupings in analysis.groups.items()
        for found in groupings
    ]
    return frame_to_csv(pd.concat(frames), "%.6g") if frames else ""


Write = Callable[[Analysis, Path], str]
"""(study, its folder) -> text of the file; "" for none."""

FORMATS: Mapping[str, Mapping[str, Write]] = {
    "html": {"report.html": html_report},
    "md": {"report.md": lambda analysis, _: markdown_report(analysis)},
    "tex": {"report.tex": lambda analysis, _: latex_report(analysis)},
    "csv": {
        "scores.csv": lambda analysis, _: scores_csv(analysis),
        "comparisons.csv": lambda analysis, _: comparisons_csv(analysis),
        "sources.csv": lambda analysis, _: sources_csv(analysis),
        "forgetting.csv": lambda analysis, _: forgetting_csv(analysis),
        "groups.csv": lambda analysis, _: groups_csv(analysis),
    },
}
"""Text format -> file name -> function that writes it."""

PICTURES = ("svg", "pdf")
"""Formats of the figures, which go into a folder `figures`."""

ALL = (*FORMATS, *PICTURES)


PAGE = "report.html"
"""Written last: if it is up to date with the study, so are the other files requested with it."""

_STAMP = re.compile(r'<meta name="sercl-study" content="([0-9a-f]*)">')
_HEAD_CHARACTERS = 2_000
"""The stamp is within this many first characters."""


def write_report(analysis: Analysis, folder: Path, formats: Iterable[str] = ALL) -> list[Path]:
    """Write a study's report and return the files.

    Args:
        analysis: The study.
        folder: Its folder, to which the files are written.
        formats: Names of `ALL`.

    Raises:
        UnknownNameError: For another format.
        OutputError: If a file cannot be written.
    """
    chosen = check_formats(formats)
    stamp = _stamp(analysis.study)
    files = {name: _write(analysis, folder, name, stamp) for name in sorted(chosen, key="html".__eq__)}
    return [file for name in chosen for file in files[name]]


def _write(analysis: Analysis, folder: Path, name: str, stamp: str) -> list[Path]:
    if name in PICTURES:
        return write_figures(analysis, folder, name)
    texts = {file: write(analysis, folder) for file, write in FORMATS[name].items()}
    for file in (file for file, text in texts.items() if not text):
        (folder / file).unlink(missing_ok=True)  # of an earlier run, whose study had what it is about
    written = {file: text for file, text in texts.items() if text}
    for file, text in written.items():
        write_text(folder / file, _stamped(text, stamp) if file == PAGE else text)
    return [folder / file for file in written]


def report_is_current(folder: Path, study: Study) -> bool:
    """Return whether a study's page exists in its folder and was made from its `study.json`."""
    page = folder / PAGE
    if not page.is_file():
        return False
    with page.open(encoding="utf-8", errors="replace") as file:
        found = _STAMP.search(file.read(_HEAD_CHARACTERS))
    return found is not None and found[1] == _stamp(study)


def _stamp(study: Study) -> str:
    """Return a digest of the study's file, which is written after its predictions, and of sercl's version."""
    return hashlib.sha256(f"{__version__} {study.digest}".encode()).hexdigest()[:32]


def _stamped(text: str, stamp: str) -> str:
    return text.replace("<head>", f'<head>\n<meta name="sercl-study" content="{stamp}">', 1)


def check_formats(formats: Iterable[str]) -> list[str]:
    """Return the formats, each once; raises `UnknownNameError` for an unknown one."""
    chosen = list(dict.fromkeys(formats))
    for name in chosen:
        if name not in ALL:
            raise UnknownNameError("report format", name, ALL)
    return chosen


def terminal_report(analysis: Analysis) -> RenderableType:
    """Return summary, overview, plain matrices, gains of unions, forgetting, groups, and warnings."""
    notes = (
        Text(f"Note: {own.text}") if own.kind == "note" else Text(f"Warning: {own.text}", "yellow")
        for own in analysis.warnings
    )
    forgetting = forgetting_table(analysis, shots=False)
    tables = [overview_table(analysis), *matrix_tables(analysis, plain=True), *union_tables(analysis)]
    tables += [*([forgetting] if forgetting else []), *grouped_tables(analysis)]
    findings = map(Text, summary(analysis))
    return Group(*findings, Text(""), *map(drawn, tables), *notes)


def grid_report(plan: Plan, missing: Pending, time: Estimate) -> RenderableType:
    """Return the cells by condition, which of them are done, and how long the rest will take.

    Args:
        plan: All cells.
        missing: What is missing.
        time: Its estimated time.
    """
    lines = [Text(remark, "yellow") for remark in plan.remarks]
    return Group(_cells(plan, missing), *lines, Text(totals(plan, missing)), Text(in_words(time)))


def totals(plan: Plan, missing: Pending) -> str:
    """Return the number of cells, computations and trainings in a sentence."""
    computed = plan.tests.keys()
    left = computed & missing.cells
    return (
        f"{count(len(plan.cells), 'cell')} ({count(len(plan.conditions), 'condition')}): "
        f"{count(len(plan.trainings), 'training')}, {count(len(computed), 'test')}. Done: "
        f"{count(len(computed) - len(left), 'test')}. Remaining: {count(len(left), 'test')}, "
        f"{count(len(missing.trainings), 'training')}."
    )


def in_words(time: Estimate) -> str:
    """Return the estimated time in a sentence."""
    if not time.known and not time.unknown:
        return "No training remains."
    if not time.known:
        return "No time estimate: no comparable training has finished yet."
    rest = (
        f" No estimate for {count(time.unknown, 'other')}: no comparable training has finished."
        if time.unknown
        else ""
    )
    known = count(time.known, "training")
    return f"About {duration(time.seconds)} for {known}, estimated from finished trainings.{rest}"


def duration(seconds: float) -> str:
    """Return a time in a readable unit: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _cells(plan: Plan, missing: Pending) -> Table:
    by_condition: dict[Condition, list[PlannedCell]] = {}
    for item in plan.cells:
        by_condition.setdefault(item.cell.condition, []).append(item)
    tags = ["Tags"] if any(condition.tags for condition in by_condition) else []
    numbers = ("Folds", "Repeats", "Cells", "Done")
    grid = table("Encoder", "Adapter", "Setting", "Corpora", *tags, *numbers, title="Cells", numbers=numbers)
    for condition, items in by_condition.items():
        grid.add_row(
            condition.encoder,
            condition.adapter,
            condition.setting,
            condition.pair,
            *([", ".join(condition.tags)] if tags else []),
            *_counts(items, missing),
        )
    return grid


def _counts(items: Iterable[PlannedCell], missing: Pending) -> list[str]:
    cells = list(items)
    folds = Counter(item.cell.fold for item in cells)
    runs = Counter(item.cell.run for item in cells)
    done = sum(item.address not in missing.cells for item in cells)
    return [str(len(folds)), str(len(runs)), str(len(cells)), str(done)]
