"""The tools of this folder find what is wrong."""

import signal

import pytest

from tests.faults import rounds
from tests.faults.disk import BROKEN, FULL, KILL, POWER, Fault
from tests.faults.rounds import Bench, Command, forked


def careless(words):
    """A command that writes over its result, and does not sync it."""
    from pathlib import Path

    Path("out").mkdir(exist_ok=True)
    if Path("out/a.txt").is_file() and "--resume" not in words:
        return 0
    with open("out/a.txt", "wb", buffering=0) as file:  # noqa: PTH123 - as any library may
        file.write(b"one two three")
    if words[0] == "loud":
        raise RuntimeError("loud")
    return 0


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(rounds, "main", careless)
    return Bench(Command(("quiet",)), tmp_path / "bench")


def test_calls_are_counted_and_sampled(bench):
    import random

    assert bench.whole.calls == 3  # the folder, opening, writing
    assert [fault.call for fault in bench.sample(KILL, None, random.Random(0))] == [1, 2, 3]
    assert len({fault.call for fault in bench.sample(KILL, 2, random.Random(0))}) == 2


def test_half_a_result_is_found(bench):
    assert bench.after(Fault(KILL, 1)) is None
    assert bench.after(Fault(KILL, 3)) == "out/a.txt differ"
    assert bench.after(Fault(KILL, 4)) is None  # a call that is never made


def test_what_was_not_synced_is_lost(tmp_path, monkeypatch, bench):
    def unsynced(words):
        careless(words)
        from pathlib import Path

        Path("done").touch()
        return 0

    monkeypatch.setattr(rounds, "main", unsynced)
    folder = tmp_path / "power"
    assert forked(["quiet"], folder, Fault(POWER, 4)).code == -signal.SIGKILL
    assert (folder / "out" / "a.txt").read_bytes() == b""


@pytest.mark.parametrize("kind", [FULL, BROKEN])
def test_an_error_of_the_disk_must_be_told_well(bench, kind):
    assert bench.after(Fault(kind, 3)).startswith("exit code 99")


def test_signals_come_at_a_time(tmp_path, monkeypatch):
    import time

    monkeypatch.setattr(rounds, "main", lambda words: time.sleep(20))
    ended = forked(["quiet"], tmp_path / "slow", after=0.2)
    assert ended.code == -signal.SIGKILL
    assert ended.seconds < 10
