"""A headless browser for tests of pages; without one, such a test is skipped with the reason."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # Without these it looks up its maker's hosts at every start.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

LIMIT = 120_000
"""Milliseconds after which what is waited for is taken never to come."""


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Start the system's Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the path")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS), timeout=LIMIT)
        yield Browser(browser)
        browser.close()


class Browser:
    """Opens pages and takes down what goes wrong on them."""

    def __init__(self, browser: object) -> None:
        self._browser = browser

    @contextmanager
    def page(self, path: Path, width: int = 1280, scheme: str = "light"):  # type: ignore[no-untyped-def]
        """Open a file; yield (page, list of console messages, errors and failed or outside requests)."""
        context = self._browser.new_context(  # type: ignore[attr-defined]
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        context.set_default_timeout(LIMIT)
        page, troubles = context.new_page(), []
        page.on("console", lambda message: troubles.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("requestfailed", lambda request: troubles.append(f"failed: {request.url}"))
        page.on("request", lambda request: _note_outside(request.url, troubles))
        page.goto(path.resolve().as_uri())
        yield page, troubles
        context.close()


def _note_outside(url: str, troubles: list[str]) -> None:
    if not url.startswith(("file:", "data:")):
        troubles.append(f"outside: {url}")
