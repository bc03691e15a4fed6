import os
from pathlib import Path

import pytest

# Output is read back at the width of a pipe, whatever terminal the tests were started from.
os.environ.pop("COLUMNS", None)
# Two or more xdist workers on a small machine must not each take every core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings and models beside the checkout, where there is one."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"no real recordings and models at {SHARED}")
    return SHARED
