"""A listener in a real browser, who goes through the pages as a person does."""

import socket
import threading
import time
from contextlib import contextmanager, nullcontext
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.browser import LIMIT, chromium


@contextmanager
def running(app):
    """Serve an application on a free port; yield its address."""
    import uvicorn

    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
        thread = threading.Thread(target=server.run, args=([own],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{own.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def proxied(address, path):
    """Offer a server below a path, which is cut off, as reverse proxies do; yield its address there."""
    upstream = urlsplit(address).netloc

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self):
            if not self.path.startswith(f"{path}/"):
                return self.answer(404, [], b"not below the path")
            inner = HTTPConnection(upstream)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {**self.headers, "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
            inner.request(self.command, self.path.removeprefix(path), body, headers)
            found = inner.getresponse()
            self.answer(found.status, found.getheaders(), found.read())
            inner.close()

        def answer(self, status, headers, body):
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

        do_GET = do_POST = forward  # noqa: N815

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{proxy.server_port}{path}"
        proxy.shutdown()
        thread.join()


def gone(element):
    """Wait until an element has left the page, or the page has been left."""
    from playwright.sync_api import Error

    try:
        element.wait_for_element_state("hidden")
    except Error as error:
        if "not attached" not in str(error):
            raise


class Walk:
    """One page of a browser.

    Attributes:
        page: Playwright's page.
        troubles: Console messages, errors, and requests to elsewhere.
    """

    def __init__(self, page, shots=None):
        self.page, self.troubles, self.shots = page, [], shots
        page.on("console", lambda message: self.troubles.append(message.text))
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("http://127.0.0.1", "data:"))
                else self.troubles.append(request.url)
            ),
        )

    def shot(self, name):
        if self.shots is not None:
            self.page.screenshot(path=self.shots / f"{name}.png", full_page=True)

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def on(self):
        """Press the button that goes on, and wait until the page has gone."""
        before = self.page.locator("h1").element_handle()
        self.page.locator("button.main:enabled").click()
        gone(before)

    def heading(self, text):
        self.page.get_by_role("heading", level=1, name=text).wait_for()

    def begin(self, language=None):
        if language:
            self.page.get_by_role("button", name=language, exact=True).click()
        self.shot("welcome")
        self.on()
        self.shot("consent")
        self.on()

    def background(self, native="German", options=(3, 0)):
        page = self.page
        page.locator("#field-native").fill(native)
        for number, group in zip(options, page.locator("fieldset.choices").all(), strict=True):
            group.locator("input").nth(number).check(force=True)
        self.shot("background")
        self.on()

    def volume(self):
        self.page.locator("button.play").click()
        self.shot("volume")
        self.on()

    def listen(self):
        """Play a recording to its end."""
        self.page.locator("button.play").click()
        self.page.locator("fieldset.choices:not([disabled])").first.wait_for()

    def choose(self, number=0, sure=3, practice=False):
        """Answer an item of the task "choice"; after a practice item, read what it was."""
        self.listen()
        asked = self.page.locator(".asked")
        groups = self.page.locator("fieldset.choices")
        answers = groups.nth(0).locator("label")
        if asked.count():
            names = [name.lstrip("123456789") for name in answers.all_inner_texts()]
            number = next(at for at, name in enumerate(names) if name.strip() in asked.inner_text())
        answers.nth(number).click()
        groups.nth(1).locator("label").nth(sure).click()
        if practice:
            self.page.locator("button.main:enabled").click()
            self.page.locator(".feedback:not(:empty)").wait_for()
            self.shot("feedback")
        self.on()

    def drag(self, start, end):
        """Drag across the picture of a sound, between two places that are parts of its width."""
        box = self.page.locator(".picture").bounding_box()
        y, mouse = box["y"] + 60, self.page.mouse
        mouse.move(box["x"] + start * box["width"], y)
        mouse.down()
        for part in (0.3, 0.6, 1.0):
            mouse.move(box["x"] + (start + part * (end - start)) * box["width"], y, steps=3)
        mouse.up()

    def swipe(self, start, end):
        """Drag with a finger."""
        touch = self.page.context.new_cdp_session(self.page)
        box = self.page.locator(".picture").bounding_box()

        def send(kind, *places):
            points = [{"x": box["x"] + place * box["width"], "y": box["y"] + 60} for place in places]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        send("touchStart", start)
        self.page.wait_for_timeout(250)
        for step in range(1, 9):
            send("touchMove", start + (end - start) * step / 8)
            self.page.wait_for_timeout(20)
        send("touchEnd")

    def parts(self):
        """Return start, end and answer of each marked part, from the fields."""
        rows = self.page.locator(".parts li").all()
        return [[each.input_value() for each in row.locator("input, select").all()] for row in rows]

    def whole(self, is_practice=False):
        """Answer everything that is left, of which the first may be practice; return the completion code."""
        while not self.page.locator("output.code").count():
            if self.page.locator("button.play").count():
                self.choose(practice=is_practice)
                is_practice = False
            else:
                self.on()
            self.page.locator("button.play, button.main, output.code").first.wait_for()
        return self.page.locator("output.code").inner_text()


_KEPT = []
"""The browser that is kept, if any."""


@contextmanager
def one_browser():
    """Keep a browser for all listeners of a block: to start one takes seconds."""
    with chromium() as browser:
        _KEPT.append(browser)
        try:
            yield
        finally:
            _KEPT.clear()


@contextmanager
def listener(address, shots=None, **context):
    """Yield a walk that has just opened an address, in the browser that is kept, or in one of its own."""
    with nullcontext(*_KEPT) if _KEPT else chromium() as browser:
        where = browser._browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **context}
        )
        walk = Walk(where.new_page(), shots)
        walk.page.set_default_timeout(LIMIT)
        walk.page.goto(address)
        yield walk
        where.close()
