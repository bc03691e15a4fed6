from statistics import mean

import pytest

from sercl.reports.cross_eval.wording import ComparisonRow, comparison_row
from sercl.studies.cross_eval.analysis.analysis import Analysis


def rows(wide: Analysis, name: str, overall: bool) -> list[ComparisonRow]:
    family = next(item for item in wide.families if item.name == name)
    items = family.overall if overall else family.comparisons
    return [comparison_row(item, family, wide.scores) for item in items]


def test_each_family_says_what_it_compares(wide: Analysis) -> None:
    names = {
        family.name: {(row.first, row.second) for row in rows(wide, family.name, True)}
        for family in wide.families
    }
    assert names == {
        "adapters": {("lora + bottleneck + gating", "frozen")},
        "zero-shot": {("Zero-shot", "Monolingual"), ("Zero-shot", "Monolingual, not adapted")},
        "adaptation": {("coral", "none")},
        "source": {("Two-stage", "Transfer")},
        "few-shot": {("Few-shot", "Target-only")},
    }
    assert {row.adapter for row in rows(wide, "adapters", True)} == {""}
    assert {row.adapter for row in rows(wide, "source", True)} == {"frozen", "lora + bottleneck + gating"}
    assert {row.tags for row in rows(wide, "adaptation", True)} == {()}
    adapted = {row.tags: row.second for row in rows(wide, "zero-shot", True)}
    assert adapted == {(): "Monolingual", ("coral",): "Monolingual, not adapted"}


def test_corpora_are_named_or_counted(wide: Analysis) -> None:
    overall = {row.setting: row.corpora for row in rows(wide, "adapters", True)}
    assert (overall["monolingual"], overall["zero-shot"]) == ("mean of 3 corpora", "mean of 6 directions")
    assert rows(wide, "zero-shot", False)[0].corpora == "ESD → EmoDB"


def test_scores_are_means_over_members(wide: Analysis) -> None:
    family = next(item for item in wide.families if item.name == "source")
    row = comparison_row(family.overall[0], family, wide.scores)
    members = family.overall[0].members
    assert row.first_uar == pytest.approx(mean(wide.scores[first].uar.value for first, _ in members))
    assert row.first_uar - row.second_uar == pytest.approx(row.paired.difference.value)
