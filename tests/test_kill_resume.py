"""A few tries of benchmarks/kill_resume.py, which makes 40 of each model."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_trainings_that_are_killed_anywhere_resume_to_the_same_weights(tmp_path):
    # A file system of its own, where there is one: a move to it from the temporary folder is a copy.
    shm = Path("/dev/shm")
    folder = shm / tmp_path.name if os.access(shm, os.W_OK) else tmp_path
    words = [ROOT / "benchmarks" / "kill_resume.py", folder, "--tries", "3", "--seed", "1"]
    try:
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("3 of 3 resumed to the same weights") == 2
