"""A small file system in memory that only the process of a test sees."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def on_a_small_disk(folder: Path, *steps: str, size: str = "1m") -> str:
    """Run shell commands in a folder with a small file system at `disk`, which goes with them.

    Returns:
        What they wrote to standard output and error.
    """
    unshare = shutil.which("unshare")
    (folder / "disk").mkdir()
    script = " && ".join((f"mount -t tmpfs -o size={size} none disk", *steps))
    if unshare is None or _run([unshare, "-m", "sh", "-c", script.split(" && ")[0]], folder).returncode:
        pytest.skip("a separate file system cannot be mounted here (it takes Linux and root)")
    done = _run([unshare, "-m", "sh", "-ec", script], folder)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def python(folder: Path, name: str, code: str) -> str:
    (folder / name).write_text(code)
    return f"{sys.executable} {name}"


def _run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder, env=environment)
