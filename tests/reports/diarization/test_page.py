"""The page in a real browser: nothing fails, nothing overflows, everything plays."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sercl.diarization.segments import Annotation, ScoredSegment
from sercl.reports.diarization.page import (
    by_minute,
    html_page,
    listened,
    outline_path,
    portions,
    share_text,
    totals,
)
from tests.browser import Browser
from tests.reports.diarization.samples import ITEM, NOTHING, write_tone

LONG = Annotation(
    "call",
    (
        ScoredSegment(0.0, 59.9, "neutral", 0.9),
        ScoredSegment(59.9, 60.1, "angry", 0.8),
        ScoredSegment(60.1, 3600.0, "neutral", 0.9),
        ScoredSegment(3600.0, 3600.2, "angry", 0.8),
        ScoredSegment(3600.2, 7199.8, "neutral", 0.9),
        ScoredSegment(7199.8, 7200.0, "angry", 0.8),
    ),
    7200.0,
)
"""A call of two hours with three events of 0.2 s."""

CHECKPOINT = Path("checkpoints/run/best.ckpt")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    sources = [write_tone(folder / "a <talk>.wav"), write_tone(folder / "quiet.wav", 2.0)]
    items = [listened(path, item, folder) for path, item in zip(sources, (ITEM, NOTHING), strict=True)]
    path = folder / "page.html"
    path.write_text(html_page(items, CHECKPOINT), encoding="utf-8")
    return path


def test_the_page_needs_nothing_from_outside(page: Path) -> None:
    text = page.read_text()
    assert set(re.findall(r'(?:src|href)="(\w+:)', text)) == {"data:"}
    assert "https://" not in text


def test_the_page_says_what_was_found_in_what(page: Path) -> None:
    text = page.read_text()
    for part in (
        "Emotions in 2 recordings",
        "a &lt;talk&gt;.wav",
        "angry 2.0 s",
        str(CHECKPOINT),
        "confidence 0.80",
    ):
        assert part in text, part


def test_an_outline_reaches_its_height_at_the_loudest() -> None:
    path = outline_path(np.float32([0.5, 1.0]), 1, 2)
    assert path == "M1 3.0 2 3.0 2 97.0 1 97.0Z"
    assert outline_path(np.zeros(3, np.float32), 3, 3) == ""


def test_totals_add_up_with_neutral_last() -> None:
    assert totals([ITEM, NOTHING]) == {"angry": 2.0, "neutral": 4.0}
    assert list(totals([ITEM])) == ["angry", "neutral"]


def test_each_emotion_has_its_time_share_and_count() -> None:
    angry, neutral = portions(ITEM)
    assert (angry.emotion, angry.seconds, angry.share) == ("angry", 2.0, 0.5)
    assert (angry.segments, angry.longest) == (1, 2.0)
    assert (neutral.emotion, neutral.seconds, neutral.segments, neutral.longest) == ("neutral", 2.0, 2, 1.0)
    assert [share_text(value) for value in (0.0, 0.0001, 0.5)] == ["0.0 %", "< 0.1 %", "50.0 %"]


def test_minutes_add_up_to_the_whole() -> None:
    rows = by_minute(LONG)
    assert [(begin, end) for begin, end, _ in rows][:1] == [(0.0, 60.0)]
    assert (len(rows), rows[-1][1]) == (120, 7200.0)
    for name, seconds in totals([LONG]).items():
        assert sum(row[name] for _, _, row in rows) == pytest.approx(seconds)
    assert all(sum(row.values()) == pytest.approx(end - begin) for begin, end, row in rows)
    assert by_minute(ITEM) == []


def test_an_event_of_a_moment_is_seen_in_a_call_of_two_hours_on_a_phone(
    tmp_path: Path, browser: Browser
) -> None:
    path = tmp_path / "page.html"
    source = write_tone(tmp_path / "call.wav")
    path.write_text(html_page([listened(source, LONG, tmp_path, "embed")], CHECKPOINT), encoding="utf-8")
    for width in (390, 1280):
        with browser.page(path, width) as (shown, troubles):
            events = shown.eval_on_selector_all(
                ".segment:not(.neutral)",
                """parts => parts.map((part) => {
                    const style = getComputedStyle(part), box = part.getBoundingClientRect();
                    const lane = part.parentElement.getBoundingClientRect();
                    return [style.backgroundColor, style.borderLeftWidth, box.width, lane.right - box.right];
                })""",
            )
            assert [event[0] for event in events] == ["rgb(209, 67, 47)"] * 3
            assert all(border == "0px" and wide >= 2.9 and left >= -0.1 for _, border, wide, left in events)
            shown.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
            wider = shown.eval_on_selector_all(
                ".wide",
                "parts => parts.filter((part) => part.scrollWidth > part.clientWidth + 1)"
                ".map((part) => [part.getAttribute('aria-label'), getComputedStyle(part).overflowX])",
            )
            assert wider in ([], [["Segments of call.wav", "auto"]]), "what does not fit scrolls"
            assert shown.locator(".minutes .row").count() == 120
            assert shown.locator(".shares").count() == 0, "a thin bar below the waveform read as playback"
            assert troubles == []


def test_a_single_recording_gives_the_page_its_name(tmp_path: Path) -> None:
    item = listened(write_tone(tmp_path / "a.wav"), replace(ITEM, pauses=()), tmp_path, "link")
    text = html_page([item], CHECKPOINT)
    assert "<title>Emotions in a.wav</title>" in text
    assert 'src="a.wav"' in text
    assert "no speech" not in text


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (360, "light"), (320, "dark")]
)
def test_it_opens_without_trouble(page: Path, browser: Browser, width: int, scheme: str) -> None:
    with browser.page(page, width, scheme) as (shown, troubles):
        shown.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        assert width < 360 or shown.evaluate(
            "[...document.querySelectorAll('.segments')].every((own) => own.scrollWidth <= "
            "own.parentElement.clientWidth)"
        ), "confidences are seen without scrolling"
        assert shown.locator(".recording").count() == 2
        assert troubles == []


SLOWLY = "document.querySelectorAll('audio').forEach((own) => { own.playbackRate = 0.07; })"
"""So that a recording of seconds plays on while a test looks at the page, however busy the machine is."""


def test_a_segment_plays_from_its_start(page: Path, browser: Browser) -> None:
    with browser.page(page) as (shown, troubles):
        shown.evaluate(SLOWLY)
        shown.locator(".segment").nth(1).click()
        shown.wait_for_function("document.querySelector('audio').currentTime > 1.01")
        assert shown.evaluate("document.querySelector('audio').currentTime") < 3
        assert shown.locator(".recording.playing").count() == 1
        assert shown.locator(".segment.now").get_attribute("title").startswith("angry, 0:01.00 to 0:03.00")
        assert troubles == []


def test_only_one_recording_plays_at_a_time(page: Path, browser: Browser) -> None:
    with browser.page(page) as (shown, _):
        shown.evaluate(SLOWLY)
        shown.locator(".play").first.click()
        shown.wait_for_selector(".recording.playing")
        shown.locator(".play").last.click()
        shown.wait_for_function("!document.querySelectorAll('.recording')[0].classList.contains('playing')")
        assert shown.locator(".recording.playing").count() == 1


def test_the_place_can_be_chosen_by_mouse_and_keyboard(page: Path, browser: Browser) -> None:
    with browser.page(page) as (shown, _):
        lane = shown.locator(".lane").first
        box = lane.bounding_box()
        lane.click(position={"x": box["width"] / 2, "y": 20})
        shown.wait_for_function("Math.abs(document.querySelector('audio').currentTime - 2) < 0.05")
        lane.press("ArrowRight")
        shown.wait_for_function("Math.abs(document.querySelector('audio').currentTime - 3) < 0.05")
        assert lane.get_attribute("aria-valuenow") == "3.0"
        assert shown.locator(".time b").first.text_content() == "0:03.0"


def test_audio_that_is_not_there_is_said_so(tmp_path: Path, browser: Browser) -> None:
    source = write_tone(tmp_path / "a.wav")
    path = tmp_path / "page.html"
    path.write_text(html_page([listened(source, ITEM, tmp_path, "link")], CHECKPOINT), encoding="utf-8")
    source.unlink()
    with browser.page(path) as (shown, _):
        shown.wait_for_selector(".trouble:visible")
        assert "expected at a.wav" in shown.locator(".trouble").text_content()
