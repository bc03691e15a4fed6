import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is; a deadline would fail at random.
settings.register_profile("sercl", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sercl")

# Output is read back at the width of a pipe, whatever terminal the tests were started from.
os.environ.pop("COLUMNS", None)
# Two or more xdist workers on a small machine must not each take every core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

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
