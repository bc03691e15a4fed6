"""Reports of studies that train on several corpora at once."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sercl.reports.cross_eval.formats import sources_csv, terminal_report, write_report
from sercl.reports.cross_eval.html import html_report
from sercl.reports.cross_eval.summary import Matrix, matrix_groups, overview, summary
from sercl.reports.cross_eval.svg import source_charts
from sercl.reports.cross_eval.tables import latex_report, markdown_report, source_table
from sercl.reports.cross_eval.wording import comparison_row
from sercl.studies.cross_eval.analysis.analysis import Analysis, find_warnings
from sercl.studies.cross_eval.analysis.sources import Sources, chosen_single, oracle_single
from sercl.studies.cross_eval.cells import Condition

CORPORA = ("ESD", "EmoDB", "RAVDESS")
ON_ESD = Condition("w", "none", "zero-shot", "EmoDB + RAVDESS", "ESD")


def matrix(analysis: Analysis, title: str) -> Matrix:
    ((first,),) = ([own for own in group.matrices if own.title == title] for group in matrix_groups(analysis))
    return first


@pytest.mark.parametrize("title", ["zero-shot", "two-stage"])
def test_a_matrix_shows_single_sources_the_best_and_the_union(united: Analysis, title: str) -> None:
    own = matrix(united, title)
    assert own.rows == (*CORPORA, "Best single", "Best single, oracle", "All others")
    assert (own.columns, own.singles) == (CORPORA, 3)
    union = replace(ON_ESD, setting=title)
    sources = Sources(united.study)
    assert own.cells[5][0] == united.scores[union]
    chosen = chosen_single(union, united.scores, sources)
    oracle = oracle_single(union, united.scores, sources)
    assert chosen is not None
    assert oracle is not None
    assert (own.cells[3][0], own.cells[4][0]) == (united.scores[chosen], united.scores[oracle])
    assert (own.source_in(3, 0), own.source_in(4, 0)) == (chosen.source, oracle.source)
    assert own.source_in(0, 1) == own.source_in(5, 0) == ""
    assert "chosen without the target" in own.note


def test_matrices_of_single_sources_have_no_more_rows(wide: Analysis) -> None:
    for group in matrix_groups(wide):
        for own in group.matrices:
            assert own.singles == len(own.rows)
            assert "Best single" not in own.note


def test_an_overview_keeps_unions_apart(united: Analysis) -> None:
    rows = {(row.setting, row.tags): row for row in overview(united).rows}
    assert [(setting, *tags) for setting, tags in rows] == [
        ("monolingual",),
        ("zero-shot",),
        ("zero-shot", "all others"),
        ("two-stage",),
        ("two-stage", "all others"),
    ]
    assert rows["zero-shot", ()].count == 6
    assert rows["zero-shot", ("all others",)].count == 3


def test_rows_of_tests_name_what_is_compared(united: Analysis) -> None:
    families = {family.name: family for family in united.families}
    family = families["union"]
    row = comparison_row(family.overall[0], family, united.scores)
    assert (row.first, row.second) == ("All other corpora", "Best single source")
    assert (row.tags, row.corpora) == ((), "mean of 3 directions")
    single = next(item for item in family.comparisons if item.first == ON_ESD)
    row = comparison_row(single, family, united.scores)
    assert row.corpora == f"EmoDB + RAVDESS → ESD against {single.second.source}"
    oracle = families["union-oracle"]
    assert comparison_row(oracle.overall[0], oracle, united.scores).second == "Best single source on the test"
    costs = [
        comparison_row(item, families["zero-shot"], united.scores) for item in families["zero-shot"].overall
    ]
    assert [own.tags for own in costs] == [(), ("all others",)]


def test_the_summary_says_what_a_union_gains(united: Analysis, wide: Analysis) -> None:
    said = " ".join(summary(united))
    assert "zero-shot, without target labels, it is" in said
    assert "(mean of 6 directions" in said, "unions are not among them"
    assert "Training on all other corpora together instead of the best single source (chosen without" in said
    assert "best on the test itself, an upper bound, all other corpora change UAR by" in said
    assert "all other corpora" not in " ".join(summary(wide))


def test_every_format_has_the_curve(united: Analysis, united_folder: Path) -> None:
    table = source_table(united)
    assert table is not None
    assert table.columns == ("Encoder", "Adapter", "Tested on", "1 corpus", "2 corpora", "Monolingual")
    assert len(table.rows) == 6
    assert "## Number of sources" in markdown_report(united)
    assert "tab:sources" in latex_report(united)
    assert "tab:tests-union-oracle" in latex_report(united)
    page = html_report(united, united_folder)
    assert page.count('<section id="sources">') == 1
    assert "EmoDB + RAVDESS → ESD against" in page
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(terminal_report(united))
    said = console.export_text()
    for text in ("Best single, oracle", "All other corpora against the best single source", "lowest"):
        assert text.lower() in said.lower(), text


def test_the_curve_is_a_file_where_there_is_one(united: Analysis, wide: Analysis, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(sources_csv(united))))
    assert len(rows) == 2 * 3 * 2  # settings, targets, sizes
    first = rows[0]
    assert (first["target"], first["corpora"], first["sources"]) == ("ESD", "1", "2")
    assert float(first["lowest"]) <= float(first["uar"]) <= float(first["highest"])
    assert float(first["uar_low"]) < float(first["uar"]) < float(first["uar_high"])
    files = {file.name for file in write_report(united, tmp_path / "united", ["csv", "svg"])}
    assert {"sources.csv", "sources.svg"} <= files
    assert sources_csv(wide) == ""
    assert "sources.csv" not in {file.name for file in write_report(wide, tmp_path / "wide", ["csv"])}
    assert source_table(wide) is None


def test_charts_show_mean_spread_and_ceiling(united: Analysis) -> None:
    charts = source_charts(united.source_curves, 0.25)
    assert [chart.pair for chart in charts][:3] == [
        "zero-shot -> ESD",
        "zero-shot -> EmoDB",
        "zero-shot -> RAVDESS",
    ]
    svg = charts[0].svg
    assert svg.count('class="spread') == 1, "one size has several sources"
    assert svg.count('class="marker') == 2
    assert svg.count('class="ceiling') == 1
    assert "training corpora" in svg
    assert "1 corpus: " in svg


def test_a_missing_choice_is_a_warning(united: Analysis) -> None:
    assert not [warning for warning in united.warnings if "best single source" in warning.text]
    scores = {own: item for own, item in united.scores.items() if own.setting != "monolingual"}
    (found,) = (
        warning
        for warning in find_warnings(united.study, scores, (), {})
        if "best single source" in warning.text
    )
    assert found.text.startswith("6 conditions trained on several corpora")
    rows = matrix(replace(united, scores=scores), "zero-shot").rows
    assert rows == (*CORPORA, "Best single, oracle", "All others")
