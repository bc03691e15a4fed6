"""The report on listeners in every format."""

import csv
import io
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from rich.console import Console

from sercl.json_text import json_text
from sercl.listening.comparison.compare import CompareOptions, Comparison, compare
from sercl.listening.comparison.marks import Labeller
from sercl.reports.listening.formats import (
    latex_report,
    markdown_report,
    scores_csv,
    terminal_report,
    write_report,
)
from sercl.reports.listening.html import html_report, majority_chart
from sercl.reports.listening.tables import sections
from sercl.reports.listening.wording import summary, worth
from tests.browser import chromium
from tests.listening.comparison.test_compare import by_rates, whole
from tests.listening.comparison.test_segments import by_hand, known, marked

FACTS = (("Groups", "German & Chinese"),)


@cache
def found() -> Comparison:
    return whole()[0]


def test_every_section_is_filled() -> None:
    own = sections(found())
    assert list(own) == [
        "Recognition", "Confusions", "Listeners against models", "Majorities", "Groups, languages, dialects",
        "Mixed models", "Claims",
    ]  # fmt: skip
    for tables in own.values():
        for table in tables:
            assert all(len(row) == len(table.columns) for row in table.rows)


def test_columns_of_what_rates_do_not_tell_are_left_out() -> None:
    scores = sections(by_rates())["Recognition"][1]
    assert scores.columns == ("Group", "Subset", "Emotion", "Recall %")
    assert "Hu" not in scores.note
    assert "Criterion" in sections(found())["Recognition"][1].columns
    assert "Krippendorff" not in printed(by_rates())
    assert "Krippendorff" in printed(found())


def printed(own: Comparison, only_claims: bool = False) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(terminal_report(own, only_claims))
    return console.export_text()


def test_long_names_have_room_on_the_page() -> None:
    name = "EmoDB-speaker0-whisper-base-frozen-seed42"
    own = replace(found(), models=tuple(replace(row, model=name) for row in found().models))
    page = html_report(own, "A test", FACTS, "")
    assert f'<td class="long">{name}</td>' in page
    assert "Cross-entropy</th>" in page


def test_the_page_stands_alone() -> None:
    page = html_report(found(), "A <test>", FACTS, "sercl listen compare r.parquet")
    assert "A &lt;test&gt;" in page
    assert "German &amp; Chinese" in page
    assert "http://" not in page
    assert "https://" not in page
    for anchor in ("notes", "recognition", "listeners-against-models", "claims", "confusions", "reproduce"):
        assert f'id="{anchor}"' in page
        assert f'href="#{anchor}"' in page
    assert page.count("<svg") > len(found().models)
    assert "nan" not in page.replace("tianjin", "")


def test_the_page_of_groups_without_a_model_draws_their_differences() -> None:
    page = html_report(replace(found(), models=()), "Title", FACTS, "sercl listen compare r.parquet")
    assert page.count('<td class="forest">') == len(found().contrasts)


def test_many_models_are_folded_by_group() -> None:
    own = found()
    many = replace(own, models=own.models * 20)
    page = html_report(many, "Title", FACTS, "sercl")
    groups = list(dict.fromkeys(row.group for row in own.models))
    assert page.count("<details open>") == 1
    assert all(f"<summary><h3>{group}</h3></summary>".replace("&", "&amp;") in page for group in groups)
    assert "<details open>" not in html_report(own, "Title", FACTS, "sercl")


def test_markdown_and_latex() -> None:
    text = markdown_report(found(), "Title", FACTS, "sercl listen compare r.parquet")
    assert "| Group | Subset | UAR % |" in text
    assert "supported" in text
    latex = latex_report(found())
    assert latex.count(r"\begin{table}") == latex.count(r"\end{table}") > 5
    assert r"\label{tab:confusion-1}" in latex


def test_every_score_has_a_row_with_its_interval() -> None:
    rows = list(csv.DictReader(io.StringIO(scores_csv(found()))))
    uar = next(
        row for row in rows if row["score"] == "uar" and row["group"] == "German" and not row["language"]
    )
    own = next(row for row in found().groups if row.group == "German" and not row.language)
    assert float(uar["value"]) == pytest.approx(own.uar.value, abs=1e-5)
    assert float(uar["low"]) < float(uar["value"]) < float(uar["high"])
    assert {row["about"] for row in rows} >= {"group", "model", "dialect", "claim: supported"}


def test_the_terminal_shows_tables_and_notes() -> None:
    text = printed(found())
    for part in ("Recognition and agreement", "Listeners against models", "claims of the study", "Note:"):
        assert part in text
    assert "Recognition" not in printed(found(), only_claims=True)


def test_the_summary_says_who_is_better() -> None:
    text = " ".join(summary(found()))
    assert "the model is better" in text
    assert "listeners are better" in text


def test_majorities_are_shown_beside_models_of_the_same_items_only() -> None:
    own = found()
    whole_group = next(row for row in own.groups if not row.language and not row.dialect)
    same = replace(own.models[0], group=whole_group.group, items=whole_group.items)
    fewer = replace(same, items=same.items - 1)
    for rows, lines in (((same,), 1), ((fewer,), 0), ((same, fewer), 1)):
        page = html_report(replace(own, models=rows), "Title", FACTS, "sercl")
        assert majority_chart(replace(own, models=rows)).count('class="ceiling') == lines
        assert ("Dashed lines" in page) == bool(lines)


def test_a_model_beyond_all_majorities() -> None:
    own = found().models[0].worth
    assert worth(None) == "-"
    beyond = type(own)(own.sizes, own.majority, 1.0, float("inf"), 3.2, float("inf"), 9)
    assert worth(beyond) == "> 9 (3.2 to > 9)"


def test_all_files_are_written(tmp_path: Path) -> None:
    files = write_report(found(), tmp_path, "Title", FACTS, "sercl listen compare")
    assert [file.name for file in files] == [
        "report.html", "report.md", "report.tex", "scores.csv", "comparison.json",
    ]  # fmt: skip
    assert json.loads((tmp_path / "comparison.json").read_text()) == json.loads(json_text(found().to_dict()))


def test_marked_parts_have_a_section_in_every_format() -> None:
    tables = {table.name: table for table in sections(marked())["Marked parts"]}
    assert list(tables) == ["segments", "labellers", "parts", "boundaries", "agreement"]
    for table in tables.values():
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert [row[0] for row in tables["segments"].rows][-6:] == ["net"] * 3 + ["small"] * 3
    assert {row[1] for row in tables["agreement"].rows} == {"each other", "net", "small"}
    assert "Within\n0.25 s, %" in tables["boundaries"].columns
    text = markdown_report(marked(), "Title", FACTS, "sercl listen compare r.parquet")
    assert "## Marked parts" in text
    assert "| Recognition |" not in text
    assert r"\label{tab:labellers}" in latex_report(marked())
    sentences = " ".join(summary(marked()))
    assert "EDER of native German in 20 marked recordings:" in sentences
    assert "Time that two of native German label differently:" in sentences
    assert "EDER of native German minus that of small:" in sentences


def test_scores_of_marked_parts_are_in_the_csv_file() -> None:
    rows = list(csv.DictReader(io.StringIO(scores_csv(marked()))))
    (error,) = (
        row for row in rows if row["score"] == "eder" and row["group"] == "German" and not row["language"]
    )
    own = next(row for row in marked().segments.groups if row.group == "German" and not row.language)
    assert float(error["value"]) == pytest.approx(own.errors["eder"].value, abs=1e-5)
    (difference,) = (
        row
        for row in rows
        if row["score"] == "difference of eder" and row["group"] == "German" and row["model"] == "small"
    )
    assert float(difference["low"]) < float(difference["value"]) < float(difference["high"]) < 0
    assert float(difference["p_holm"]) >= float(difference["p"])
    assert {row["model"] for row in rows if row["score"] == "missed" and row["about"] == "model"} == {
        "net", "small",
    }  # fmt: skip


def only_marks(*models: Labeller, is_known: bool = True) -> Comparison:
    reference = (known("one", "two"),) if is_known else ()
    return compare(by_hand(), [], CompareOptions(resamples=100), *reference, labellers=models)


def test_marked_parts_alone_make_a_report() -> None:
    own = only_marks()
    assert list(sections(own)) == ["Marked parts", "Claims"]
    page = html_report(own, "Title", FACTS, "sercl listen compare r.parquet")
    assert 'href="#marked-parts"' in page
    assert "Majorities" not in page
    assert page.count("<figure") == 2
    assert "a: sad 2.10 to 4.50 s" in page
    unknown = html_report(only_marks(is_known=False), "Title", FACTS, "command")
    assert "labelled differently" in unknown
    assert "reference</span>" not in unknown
    assert "nan" not in unknown


def test_the_picture_of_marked_parts_in_a_browser(tmp_path: Path) -> None:
    model = Labeller("net", {"one": (own := known("one").known["one"].segments)}, {})
    assert own is not None
    page = tmp_path / "report.html"
    page.write_text(html_report(only_marks(model), "Title", FACTS, "command"), encoding="utf-8")
    with chromium() as browser:
        for width in (360, 1280):
            tab = browser._browser.new_page(viewport={"width": width, "height": 800})
            tab.goto(page.as_uri())
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            first = tab.locator(".talk", has=tab.get_by_text("one", exact=True))
            lane = first.locator(".lane").first.bounding_box()
            for part in (first.locator(".lane").nth(index).locator("i").first for index in (0, 1)):
                box = part.bounding_box()
                assert (box["x"] - lane["x"]) / lane["width"] == pytest.approx(0.2, abs=0.02)
                assert box["width"] / lane["width"] == pytest.approx(0.2, abs=0.02)
            dashed = first.locator(".over i").first.bounding_box()
            assert (dashed["x"] - lane["x"]) / lane["width"] == pytest.approx(0.2, abs=0.02)
            tab.close()
