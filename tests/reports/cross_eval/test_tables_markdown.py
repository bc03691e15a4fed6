from sercl.reports.cross_eval.summary import DIAGONAL, UNADAPTED
from sercl.reports.cross_eval.tables import markdown_report, markdown_table
from sercl.reports.style import TextTable
from sercl.studies.cross_eval.analysis.analysis import Analysis


def test_the_report_has_all_its_parts(wide: Analysis) -> None:
    text = markdown_report(wide)
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "Read this first", "Overview", "Training by test corpus", "Paired tests", "Few-shot",
        "Forgetting", "Scores and emotions", "Hidden states", "Published figures",
        "Reproduce", "Cite",
    ]  # fmt: skip
    assert text.startswith("# Cross-lingual study: ESD, EmoDB and RAVDESS\n")
    assert "* Seeds: 1, 2, 3" in text
    assert "sercl cross-eval --config study.yaml --out study" in text
    assert "2409.16920" in text


def test_every_row_of_a_table_has_its_cells(wide: Analysis) -> None:
    lines = [line for line in markdown_report(wide).splitlines() if line.startswith("|")]
    assert len(lines) > len(wide.scores)
    assert all(line.endswith(" |") for line in lines)


def test_bars_in_names_do_not_end_a_cell() -> None:
    table = TextTable("x", "a|b", ("name", "value"), (("one | two", "1"),))
    assert markdown_table(table) == "**a\\|b**\n\n| name | value |\n| --- | ---: |\n| one \\| two | 1 |\n"


def test_a_note_stands_below_its_table() -> None:
    table = TextTable("x", "c", ("name", "value"), (("one", "1"),), note="Mind a|b.")
    assert markdown_table(table).endswith("| one | 1 |\n\nMind a\\|b.\n")


def test_the_diagonal_of_zero_shot_is_explained(wide: Analysis) -> None:
    _, _, after = markdown_report(wide).partition("Zero-shot: UAR (%) by training and test corpus**")
    assert after.split("\n\n")[2].strip() == DIAGONAL


def test_an_adapted_diagonal_is_explained(wide: Analysis) -> None:
    _, _, after = markdown_report(wide).partition("Zero-shot, coral: UAR (%) by training and test corpus**")
    assert after.split("\n\n")[2].strip() == UNADAPTED


def test_little_and_nothing(bare: Analysis, unfinished: Analysis) -> None:
    assert "## Paired tests" not in markdown_report(bare)
    assert "cells have not been run" in markdown_report(unfinished)
