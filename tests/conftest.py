import logging
import os
import random
import signal
import sys
from collections.abc import Generator, Iterator
from operator import attrgetter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is; a deadline would fail at random. The examples are
# the same each time, unless `SERCL_FUZZ` says how many to draw anew.
settings.register_profile(
    "sercl",
    deadline=None,
    derandomize="SERCL_FUZZ" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("sercl")

# Output is read back at the width of a pipe, whatever terminal the tests were started from.
os.environ.pop("COLUMNS", None)
# Two or more xdist workers on a small machine must not each take every core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# By default Ray gives its workers so low a priority that any other work of the machine stops them.
os.environ.setdefault("RAY_worker_niceness", "0")
# It warns if it has looked for fonts, in the new cache below, for some seconds.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
# A background job of a shell ignores Ctrl-C, and so does what it starts: tests would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Begin each test, and the fixtures made for it, with the same random numbers, whatever ran before it."""
    random.seed(0)
    for name, seed in (("numpy", "random.seed"), ("torch", "manual_seed")):
        if name in sys.modules:
            attrgetter(seed)(sys.modules[name])(0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Set the handlers of signals back after each test: libraries such as Ray leave theirs."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    before = {number: handler for number in numbers if (handler := signal.getsignal(number)) is not None}
    try:
        return (yield)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def user_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in place of the user's cache, for this process and those that it starts."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings and models beside the checkout, where there is one."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"no real recordings and models at {SHARED}")
    return SHARED
