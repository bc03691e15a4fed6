"""Every page in a real Chromium, looked at by axe-core: wide and by day, 360 px narrow and by night."""

import pytest

from sercl.listening.serving.serve import ServeOptions, links_of, opened
from tests.listening.serving import conftest
from tests.listening.serving.walk import listener, running

pytest.importorskip("uvicorn", reason="the extra `listen` is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("_one_browser")]

VIEWS = ((1280, 900, "light"), (360, 740, "dark"))


def findings(page):
    """Return what axe-core calls serious or critical in each view of a page."""
    found = []
    for width, height, scheme in VIEWS:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        result = axe.Axe().run(page)
        found += [
            f"{width} px: {rule['id']}: {node['html']}: {node['failureSummary']}"
            for rule in result.response["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]
        if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            found.append(f"{width} px: wider than the window")
    return found


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Yield the links of a test with marked and chosen items, and a headphone test."""
    from sercl.listening.serving.app import application

    monkeypatch.setattr(conftest, "SECONDS", 1.0)
    folder = tmp_path / "test"
    conftest.written(folder, marked=True, items=1, repeats=0, checks=1, practice=1, blocks=2)
    with (
        opened(folder, ServeOptions(links=2, open_places=1, headphones=True)) as server,
        running(application(server)) as address,
    ):
        yield links_of(server, address)


def test_no_page_has_serious_findings(served):
    looked = {}

    def look(walk, name):
        looked[name] = findings(walk.page)

    with listener(served.participants[0]) as walk:
        page = walk.page
        walk.heading("What do you hear?")
        look(walk, "start")
        walk.on()
        look(walk, "consent")
        walk.on()
        page.get_by_role("button", name="Add a language").click()
        look(walk, "questionnaire")
        walk.background()
        look(walk, "volume")
        walk.volume()
        walk.heading("Headphones")
        look(walk, "headphones")
        page.evaluate(
            "() => fetch('api/headphones', {method: 'POST', headers: {'Content-Type': 'application/json'}, "
            "body: '[0, 0, 0, 0, 0, 0]'})"
        )
        page.reload()
        page.get_by_text("Welcome back").wait_for()
        look(walk, "resume")
        walk.on()
        walk.volume()
        look(walk, "practice")
        walk.on()
        look(walk, "choice, not heard yet")
        walk.listen()
        look(walk, "choice")
        for group in page.locator("fieldset.choices").all():
            group.locator("label").first.click()
        look(walk, "choice, chosen")
        page.locator("button.main:enabled").click()
        page.locator(".feedback:not(:empty)").wait_for()
        look(walk, "feedback")
        walk.on()
        look(walk, "block")
        while not page.locator("output.code").count():
            if page.locator(".picture").count():
                page.locator(".picture canvas").first.wait_for()
                walk.press("Add a part")
                look(walk, "segments")
                page.locator(".parts select").first.select_option("happy")
                look(walk, "segments, chosen")
                page.locator("button.play").click()
                walk.on()
            elif page.locator("fieldset.choices").count():
                look(walk, "attention")
                walk.choose()
            else:
                look(walk, "break")
                walk.on()
            page.locator("button.play, button.main, output.code").first.wait_for()
        look(walk, "end")
        page.goto(served.participants[0].replace("/t/", "/t/x"))
        page.get_by_text("This link is not valid").wait_for()
        look(walk, "no such link")
    with listener(served.admin) as walk:
        walk.page.get_by_role("heading", name="Links").wait_for()
        look(walk, "admin")
    assert {"attention", "break", "segments", "end"} <= set(looked)
    assert {name: found for name, found in looked.items() if found} == {}
