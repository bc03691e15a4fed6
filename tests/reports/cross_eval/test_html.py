import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sercl.reports.cross_eval.html import STRONG, by_setting, heat, html_report
from sercl.reports.cross_eval.tables import forgetting_table
from sercl.studies.cross_eval.analysis.analysis import Analysis, ReportWarning

VOID = {"meta", "link", "br", "path", "line"}
ELSEWHERE = re.compile(r"""(?:src|href|url|@import)\s*[=(]?\s*["']?\s*(?:https?:)?//""", re.IGNORECASE)


class Page(HTMLParser):
    """Collects what a test asks for, and checks that every element is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.resources: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if tag == "a":
            self.links.append(str(found["href"]))
        elif "src" in found or "href" in found:
            self.resources.append(str(found.get("src") or found.get("href")))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(wide: Analysis, wide_folder: Path) -> Page:
    return Page(html_report(wide, wide_folder))


def test_the_page_is_well_formed_and_has_every_section(page: Page) -> None:
    assert page.open == []
    assert page.ids == [
        "warnings", "overview", "matrices", "tests", "few-shot", "forgetting", "emotions", "layers",
        "published", "cells", "reproduce", "cite",
    ]  # fmt: skip
    inner = [link.removeprefix("#") for link in page.links if link.startswith("#")]
    assert inner == page.ids


def test_nothing_comes_from_outside(page: Page, wide: Analysis, wide_folder: Path) -> None:
    assert page.resources == ["data:,"]
    outside = [link for link in page.links if "//" in link]
    assert set(outside) == {"https://arxiv.org/abs/2409.16920"}
    text = re.sub(r'<a href="https://arxiv.org/abs/2409.16920">', "", html_report(wide, wide_folder))
    assert not ELSEWHERE.search(text)


def test_local_links_lead_somewhere(page: Page, wide_folder: Path) -> None:
    local = {link for link in page.links if not link.startswith(("#", "https:"))}
    assert len(local) > 60
    assert all((wide_folder / link).exists() for link in local - {"study.yaml"})


def test_the_page_shows_every_number(page: Page, wide: Analysis) -> None:
    text = " ".join(page.text.split())
    for own in wide.scores.values():
        assert f"{100 * own.uar.value:.1f} {100 * own.uar.low:.1f} to {100 * own.uar.high:.1f}" in text
    table = forgetting_table(wide)
    assert table is not None
    assert all("".join(row) in text for row in table.rows)  # neighbouring cells
    for warning in wide.warnings:
        assert warning.text in text
    assert "out of GPU memory" in text
    assert "sercl cross-eval --config study.yaml --out study" in text
    assert "torch2.11.0" in text  # neighbouring cells of a table
    assert "openai/whisper-basewhisper, weights 3f0c2a91" in text


def test_names_are_never_markup(wide: Analysis, wide_folder: Path) -> None:
    evil = "<script>alert(1)</script>"
    found = (ReportWarning("note", f"a {evil}", (evil,)), *wide.warnings)
    environment = {**wide.study.environment, "command": f"sercl {evil}"}
    text = html_report(
        replace(wide, warnings=found, study=replace(wide.study, environment=environment)), wide_folder
    )
    assert evil not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 3


def test_heat_is_between_its_ends() -> None:
    assert heat(0.25, 0.25) == 'class="heat" style="--v:0.000"'
    assert heat(0.1, 0.25) == 'class="heat" style="--v:0.000"'
    assert heat(1.0, 0.25, "own") == 'class="heat strong own" style="--v:1.000"'
    assert ("strong" in heat(STRONG), "strong" in heat(STRONG - 0.01)) == (True, False)
    assert heat(float("nan")) == 'class="none"'


def test_settings_come_in_their_order(wide: Analysis) -> None:
    blocks = by_setting(wide)
    assert list(blocks) == ["monolingual", "zero-shot", "transfer", "two-stage", "few-shot", "target-only"]
    assert len(blocks["monolingual"]["whisper-base", "none"]) == 3


def test_a_study_of_one_setting_leaves_out_what_it_has_not(bare: Analysis, tmp_path: Path) -> None:
    found = Page(html_report(bare, tmp_path))
    assert found.ids == [
        "overview", "matrices", "emotions", "layers", "published", "cells", "reproduce", "cite",
    ]  # fmt: skip
    assert "No condition of this study matches" in " ".join(found.text.split())


def test_a_study_of_which_nothing_is_done(unfinished: Analysis, tmp_path: Path) -> None:
    found = Page(html_report(unfinished, tmp_path))
    assert "cells have not been run" in found.text


def test_a_condition_that_predicts_one_class_is_marked(
    guessing: Analysis, wide: Analysis, tmp_path: Path
) -> None:
    page = Page(html_report(guessing, tmp_path))
    assert page.open == []
    assert page.text.count("25.0 †") == 2, "the train-by-test matrix"
    assert len(re.findall(r">one class</span>", html_report(guessing, tmp_path))) == 4, "scores, confusions"
    assert "statements about single emotions" in page.text
    assert "†" not in html_report(wide, tmp_path)
