"""Scores and paired tests of a study as CSV: plain numbers, 0 to 1, empty where there is none."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from statistics import stdev

from sercl.reports.cross_eval.comparison_rows import comparison_row
from sercl.studies.cross_eval.analysis import Analysis
from sercl.studies.cross_eval.cells import CONDITION_FIELDS
from sercl.studies.cross_eval.scores import ConditionScores
from sercl.studies.evaluation import Score

_TEST_COLUMNS = (
    "family", "scope", "encoder", "adapter", "setting", "marks", "corpora", "first", "second", "first_uar",
    "second_uar", "difference", "low", "high", "p", "p_holm", "p_mcnemar", "exact", "units", "unit_count",
    "utterances", "differ",
)  # fmt: skip


def scores_csv(analysis: Analysis) -> str:
    """Return a row per condition: its fields, every score with its interval, and what it stands on."""
    names = ["uar", "wa", "macro_f1", *(f"recall_{name}" for name in analysis.study.classes)]
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


def _score_row(own: ConditionScores) -> list[object]:
    scores = (own.uar, own.wa, own.macro_f1, *own.recalls)
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
                "; ".join(row.marks), row.corpora.replace("→", "->"), row.first, row.second, row.first_uar,
                row.second_uar, *_ends(paired.difference), test.p if test else None, paired.p_holm,
                paired.mcnemar, test.exact if test else None, paired.difference.unit, paired.difference.count,
                paired.utterances, paired.differ,
            ]  # fmt: skip


def _ends(score: Score) -> tuple[float, float, float]:
    return score.value, score.low, score.high


def _csv(rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return "" if value is None else value
