"""Whole sessions in a real Chromium."""

import json
from contextlib import contextmanager

import pytest

from sercl.listening.serving import rows
from sercl.listening.serving.serve import ServeOptions, links_of, opened
from sercl.listening.serving.store import verify
from tests.browser import LIMIT
from tests.listening.serving import conftest
from tests.listening.serving.walk import listener, proxied, running

pytest.importorskip("uvicorn", reason="the extra `listen` is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("_one_browser")]

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}


@contextmanager
def served(folder, **options):
    """Yield (what the application works with, addresses of the links)."""
    from sercl.listening.serving.app import application

    with (
        opened(folder, ServeOptions(**{"links": 3, **options})) as server,
        running(application(server)) as address,
    ):
        yield server, links_of(server, address)


@pytest.fixture
def marked(tmp_path, monkeypatch):
    """A test folder in which parts of recordings are marked."""
    monkeypatch.setattr(conftest, "SECONDS", 2.0)
    conftest.written(tmp_path / "test", marked=True, blocks=1)
    return tmp_path / "test"


def stored(server):
    return [
        json.loads(row["content"])
        for row in server.base.execute("SELECT content FROM answers ORDER BY entry")
    ]


def first_item(walk):
    """Go through everything before the first item that counts."""
    walk.begin()
    walk.background()
    walk.volume()
    walk.on()
    walk.choose(practice=True)
    walk.on()


@pytest.mark.parametrize(
    ("language", "native", "context"),
    [("English", "Deutsch", {}), ("Deutsch", "german ", PHONE), ("中文", "德语", {"color_scheme": "dark"})],
)
def test_a_whole_session(folder, language, native, context):
    with served(folder) as (server, links), listener(links.participants[1], **context) as walk:
        walk.begin(language)
        walk.background(native)
        walk.volume()
        walk.on()
        code = walk.whole(is_practice=True)
        assert walk.troubles == []
        assert walk.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert code == server.base.execute("SELECT code FROM sessions").fetchone()["code"]
        frame = rows.ratings(folder / "answers", server.rules.protocol).frame
        verify(folder / "answers")
    assert len(frame) == len(server.rules.protocol.items)
    assert set(frame["listener_native"]) == {"de"}
    assert set(frame["confidence"]) == {0.75}
    assert frame["seconds"].between(0.3, 3600).all()
    checks = frame[frame["kind"] == "attention"]
    assert (checks["answer"] == checks["truth"]).all()


def test_a_whole_session_below_a_path_of_a_reverse_proxy(folder):
    from sercl.listening.serving.app import application

    with (
        opened(folder, ServeOptions(links=1, open_places=1)) as server,
        running(application(server, "/lab/german")) as inside,
        proxied(inside, "/lab/german") as address,
    ):
        links = links_of(server, address)
        with listener(links.participants[0].rstrip("/")) as walk:
            assert walk.page.url == links.participants[0]
            first_item(walk)
            part = walk.page.evaluate(
                "async (url) => { const got = await fetch(url, {headers: {Range: 'bytes=10-29'}}); "
                "const size = (await got.arrayBuffer()).byteLength; "
                "return [got.status, got.headers.get('content-range'), size]; }",
                f"audio/{server.rules.protocol.items[0].key}",
            )
            assert (part[0], part[1].startswith("bytes 10-29/"), part[2]) == (206, True, 20)
            assert walk.whole() == server.base.execute("SELECT code FROM sessions").fetchone()["code"]
            assert walk.troubles == []
        with listener(links.open) as walk:
            walk.begin()
            walk.page.get_by_role("heading", name="Some questions").wait_for()
            assert walk.page.url.startswith(f"{address}/t/")
        with listener(links.admin) as walk:
            walk.page.get_by_role("heading", name="Links").wait_for()
            assert walk.troubles == []
        assert len(stored(server)) == len(server.rules.protocol.items)


def test_keys_alone_are_enough(folder):
    with served(folder) as (server, links), listener(links.participants[0]) as walk:
        first_item(walk)
        before = walk.page.locator("h1").element_handle()
        walk.page.keyboard.press("p")
        walk.page.locator("fieldset.choices:not([disabled])").first.wait_for()
        walk.page.keyboard.press("3")
        walk.page.locator("fieldset.choices:not([disabled])").nth(1).locator("input").nth(2).focus()
        walk.page.keyboard.press("Space")
        walk.page.keyboard.press("Enter")
        before.wait_for_element_state("hidden")
        assert stored(server)[-1]["answer"] == server.rules.protocol.answers[2]
        assert stored(server)[-1]["confidence"] == 3


@pytest.mark.parametrize("context", [{}, PHONE], ids=["mouse", "finger"])
def test_parts_are_marked_by_hand_and_by_keys(marked, context):
    with served(marked) as (server, links), listener(links.participants[0], **context) as walk:
        first_item(walk)
        while not walk.page.locator(".picture").count():
            walk.choose()
        drag = walk.swipe if context else walk.drag
        walk.page.locator(".picture canvas").first.wait_for()
        assert walk.page.locator(".marking .keys").is_visible() == (not context)
        drag(0.1, 0.3)
        walk.page.locator(".parts li").nth(0).wait_for()
        drag(0.5, 0.8)
        walk.page.locator(".parts li").nth(1).wait_for()
        starts = [float(part[0]) for part in walk.parts()]
        assert starts == pytest.approx([0.2, 1.0], abs=0.06)
        walk.page.locator(".parts select").nth(0).select_option("happy")
        walk.page.locator(".parts input.end").nth(0).fill("0.5")
        walk.page.keyboard.press("ArrowUp")  # by 0.05 s
        walk.page.locator(".parts select").nth(1).focus()
        walk.page.keyboard.press("4")
        walk.press("Add a part")
        assert [part[2] for part in walk.parts()] == ["", "happy", "sad"]
        walk.page.locator("button.play").click()
        walk.page.locator("button.main:enabled").wait_for()
        walk.page.locator("button.main").click()
        assert "choose an emotion" in walk.page.locator("#notice").inner_text()
        walk.press("Delete part 1")
        walk.on()
        (one, other) = next(each for each in stored(server) if each["task"] == "segments")["parts"]
        assert (one["answer"], one["end"], other["answer"]) == ("happy", 0.55, "sad")
        assert walk.troubles == []


def test_a_closed_browser_and_a_second_tab_go_on_at_the_block(folder):
    with served(folder) as (server, links):
        with listener(links.participants[0]) as walk:
            first_item(walk)
            walk.choose()
        with listener(links.participants[0]) as walk:
            walk.heading("What do you hear?")
            assert "Welcome back" in walk.page.locator("main").inner_text()
            other = walk.page.context.new_page()
            other.goto(links.participants[0])
            for page in (walk.page, other):
                page.locator("button.main").click()  # welcome back
                page.locator("button.play").wait_for()
                page.locator("button.main:enabled").click()  # volume
            walk.on()
            walk.choose()
            walk.page, first = other, walk.page
            code = walk.whole()  # begins with the item that the first tab has answered
            first.reload()
            first.locator("output.code").wait_for()
            assert first.locator("output.code").inner_text() == code
        items = server.base.execute("SELECT item, count(*) AS n FROM answers GROUP BY item").fetchall()
        assert [row["n"] for row in items] == [1] * len(server.rules.protocol.items)
        verify(folder / "answers")


def test_answers_wait_for_the_connection_also_over_a_reload(folder):
    with served(folder) as (server, links), listener(links.participants[0]) as walk:
        first_item(walk)
        before = len(stored(server))
        lost = walk.page.context
        lost.route("**/api/answers", lambda route: route.abort())
        walk.listen()
        for group in walk.page.locator("fieldset.choices").all():
            group.locator("label").first.click()
        walk.page.locator("button.main").click()
        walk.page.get_by_text("No connection").wait_for()
        assert len(stored(server)) == before
        lost.unroute("**/api/answers")
        lost.route("**/api/answers", lambda route: route.fulfill(status=404, body="<h1>a proxy</h1>"))
        with walk.page.expect_response("**/api/answers", timeout=LIMIT):
            walk.page.reload()
        lost.unroute("**/api/answers")
        walk.page.get_by_text("Welcome back").wait_for()
        assert len(stored(server)) == before + 1
        walk.on()
        walk.volume()
        walk.on()
        walk.whole()
        assert len(stored(server)) == len(server.rules.protocol.items)


def test_links_that_lead_nowhere_say_so(folder):
    with served(folder, open_places=1) as (_, links):
        wrong = links.participants[0].replace("/t/", "/t/x")
        with listener(wrong) as walk:
            walk.page.get_by_text("This link is not valid").wait_for()
        with listener(links.open) as walk:
            walk.begin()
            walk.page.get_by_role("heading", name="Some questions").wait_for()
            mine = walk.page.url
            walk.page.goto(links.open)
            walk.page.wait_for_url(mine)
        with listener(links.open) as walk:
            walk.page.get_by_text("Enough people").wait_for()


def test_the_administrators_page(folder):
    with served(folder) as (server, links):
        with listener(links.participants[0]) as walk:
            first_item(walk)
        with listener(links.admin) as walk:
            walk.page.get_by_role("heading", name="Links").wait_for()
            assert "1 of" in walk.page.locator("table").first.inner_text()
            walk.page.on("dialog", lambda dialog: dialog.accept())
            walk.page.get_by_role("button", name="Withdraw").first.click()
            walk.page.locator("tbody").first.locator("tr").nth(2).wait_for(state="detached")
            assert walk.troubles == []
        assert server.base.execute("SELECT count(*) FROM sessions").fetchone()[0] == 0
        with listener(links.admin + "x") as walk:
            walk.page.get_by_text("token is missing or wrong").wait_for()
