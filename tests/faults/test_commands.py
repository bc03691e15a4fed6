"""A sample of what `python -m tests.faults` does: each command is killed 20 times, and fails otherwise, too.

The moments and calls are the same each time; `SERCL_SEED=1` draws others.
"""

import os
import random
import shutil
from pathlib import Path

import pytest

from sercl.cli import lightning  # noqa: F401 - loaded here once, not in every process
from tests.faults.commands import NAMES, commands
from tests.faults.disk import BROKEN, FULL, POWER
from tests.faults.rounds import SIGNALS, Harness

KILLS = 20


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
def test_a_command_recovers_from_every_kind_of_fault(name, memory):
    draw = random.Random(f"{os.environ.get('SERCL_SEED', '0')} {name}")
    harness = Harness(commands(memory / "inputs", [name])[name], memory / "harness")
    rounds = [
        *harness.kills(KILLS, draw),
        *harness.crashes(harness.sample(1, draw), [POWER]),
        *harness.errors(FULL, harness.sample(1, draw)),
        *harness.errors(BROKEN, harness.sample(1, draw)),
        *harness.signals(draw.choice([*SIGNALS]), 1, draw, most=1),
    ]
    assert len(rounds) >= KILLS + 4
    assert [each for each in rounds if each.lost is not None] == []
