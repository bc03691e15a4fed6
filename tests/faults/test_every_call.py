"""A sample of what `python -m tests.faults` does: of each command a fault of each kind, and a signal."""

import os
import random
import shutil
from pathlib import Path

import pytest

from sercl.cli import lightning  # noqa: F401 - loaded here once, not in every process
from tests.faults.commands import NAMES, commands
from tests.faults.disk import KINDS
from tests.faults.rounds import SIGNALS, Bench


@pytest.fixture
def memory(tmp_path):
    """A folder on a file system of its own, where there is one: a move to it from elsewhere is a copy."""
    shm = Path("/dev/shm")
    folder = shm / f"sercl-faults-{os.getpid()}" if os.access(shm, os.W_OK) else tmp_path
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="takes /proc, to know the path of an open file"
)
@pytest.mark.parametrize("name", NAMES)
def test_a_disturbed_command_goes_on_to_the_same_result(name, memory):
    bench = Bench(commands(memory / "inputs", [name])[name], memory / "bench")
    draw = random.Random(name)
    faults = [fault for kind in KINDS for fault in bench.sample(kind, 1, draw)]
    wrong = {fault: bench.after(fault) for fault in faults}
    what, number = list(SIGNALS.items())[NAMES.index(name) % len(SIGNALS)]
    wrong |= {what: bench.after_signals(number, draw, most=1)}
    assert {fault: said for fault, said in wrong.items() if said is not None} == {}
