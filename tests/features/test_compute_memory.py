"""Memory does not grow with the number of rows; `benchmarks/feature_store.py` shows it for a million."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "feature_store.py"


def measured(count: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--one", "--rows", str(count)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_fifty_times_the_rows_take_the_same_memory() -> None:
    small, large = measured(2_000), measured(100_000)
    assert large["bytes"] > 40 * small["bytes"]
    # What is held of 98,000 more rows, keys alone, would be 10 MB; sqlite's cache fills up to 16 MB.
    assert large["peak"] - small["peak"] < 30
