from collections.abc import Iterator

import pytest

from tests.browser import Browser, chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, for the tests of one page."""
    with chromium() as found:
        yield found
