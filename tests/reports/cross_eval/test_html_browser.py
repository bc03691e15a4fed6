"""The report in a real browser: nothing fails, nothing overflows, everything can be read."""

from pathlib import Path

import pytest

from sercl.reports.cross_eval.html import html_report
from sercl.studies.cross_eval.analysis.analysis import Analysis
from tests.browser import Browser

CONTRAST = """() => {
  const paint = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const light = (color) => {
    paint.clearRect(0, 0, 1, 1); paint.fillStyle = color; paint.fillRect(0, 0, 1, 1);
    const parts = [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  return Math.min(...[...document.querySelectorAll('.heat')].map((cell) => {
    const style = getComputedStyle(cell), ink = light(style.color), paper = light(style.backgroundColor);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  }));
}"""


@pytest.fixture(scope="module")
def report(wide: Analysis, wide_folder: Path) -> Path:
    path = wide_folder / "report.html"
    path.write_text(html_report(wide, wide_folder), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (320, "dark")]
)
def test_the_page_opens_without_trouble(report: Path, browser: Browser, width: int, scheme: str) -> None:
    with browser.page(report, width, scheme) as (page, troubles):
        page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        assert page.title() == "Cross-lingual study: ESD, EmoDB and RAVDESS"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert troubles == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_heat_cell_can_be_read(report: Path, browser: Browser, scheme: str) -> None:
    with browser.page(report, scheme=scheme) as (page, _):
        assert page.evaluate(CONTRAST) >= 4.5  # WCAG 2.2, level AA


def test_light_and_dark_differ(report: Path, browser: Browser) -> None:
    colours = []
    for scheme in ("light", "dark"):
        with browser.page(report, scheme=scheme) as (page, _):
            colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours[0] != colours[1]


def test_charts_are_drawn_in_their_colours(report: Path, browser: Browser) -> None:
    with browser.page(report) as (page, _):
        strokes = page.eval_on_selector_all(
            "#few-shot .grid path.line", "lines => lines.map((line) => getComputedStyle(line).stroke)"
        )
        assert len(strokes) == 24
        assert len(set(strokes)) == 2
        box = page.locator("#few-shot .grid svg").first.bounding_box()
        assert box["width"] > 250
        assert box["height"] > 150


def test_links_jump_and_details_open(report: Path, browser: Browser) -> None:
    with browser.page(report) as (page, troubles):
        page.click("nav a[href='#tests']")
        assert page.evaluate("location.hash") == "#tests"
        assert abs(page.locator("#tests").bounding_box()["y"]) < 120
        page.click("#tests details summary")
        assert page.locator("#tests details table").first.is_visible()
        assert troubles == []


def test_paper_shows_what_is_folded_away(report: Path, browser: Browser) -> None:
    with browser.page(report) as (page, _):
        count = "document.querySelectorAll('details:not([open])').length"
        folded = page.evaluate(count)
        assert folded > 10
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate(count) == 0
        page.emulate_media(media="print")
        assert not page.locator("nav").is_visible()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.evaluate(count) == folded
