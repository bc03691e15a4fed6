"""The harness finds what is wrong with a command."""

import random
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.faults import rounds
from tests.faults.disk import BROKEN, FULL, KILL, POWER
from tests.faults.rounds import SIGNALS, Command, Harness, Process, forked


def careless(words):
    """A command that writes over its result, and does not sync it."""
    Path("out").mkdir(exist_ok=True)
    if Path("out/a.txt").is_file() and "--resume" not in words:
        return 0
    with open("out/a.txt", "wb", buffering=0) as file:  # noqa: PTH123 - as any library may
        file.write(b"one two three")
    Path("out/b").mkdir(exist_ok=True)
    return 0


def careful(words):
    """A command that has its whole result or none at any moment, and takes some time."""
    Path("new").mkdir(exist_ok=True)
    Path("new/a.txt").write_text("one two three")
    if not Path("out").exists():
        Path("new").rename("out")
    time.sleep(0.3)
    return 0


def harness(monkeypatch, folder, command=careless):
    monkeypatch.setattr(rounds, "main", command)
    return Harness(Command(("it",)), folder / "harness")


def test_calls_are_counted_and_sampled(monkeypatch, tmp_path):
    found = harness(monkeypatch, tmp_path)
    assert found.whole.calls == 4  # the folder, opening, writing, another folder
    assert found.sample(None, random.Random(0)) == [1, 2, 3, 4]
    assert len(set(found.sample(2, random.Random(0)))) == 2


def test_half_a_result_is_found_and_the_process_goes_on(monkeypatch, tmp_path):
    found = list(harness(monkeypatch, tmp_path).crashes([1, 2, 3, 4], [KILL]))
    assert [(each.at, each.lost) for each in found] == [
        (1, None),
        (2, None),
        (3, "out/a.txt differ"),  # half of it
        (4, None),
    ]
    assert (tmp_path / "harness" / "run" / "out" / "a.txt").read_bytes() == b"one two three"


def test_a_call_that_does_not_come_is_reported(monkeypatch, tmp_path):
    (only,) = harness(monkeypatch, tmp_path).crashes([5])
    assert only.lost == "made no calls [5]"


def test_what_was_not_synced_is_lost_with_the_power(monkeypatch, tmp_path):
    found = list(harness(monkeypatch, tmp_path).crashes([4]))
    assert [(each.kind, each.lost) for each in found] == [(KILL, None), (POWER, "out/a.txt differ")]


def test_a_state_that_comes_again_is_recovered_once(monkeypatch, tmp_path):
    found = harness(monkeypatch, tmp_path)
    rounds_ = list(found.crashes([1, 1, 2]))
    assert len(rounds_) == 4  # with and without power
    assert len({each.state for each in rounds_}) == 2
    assert len(found._recovered) == 2


@pytest.mark.parametrize("kind", [FULL, BROKEN])
def test_an_error_of_the_disk_must_be_reported_well(monkeypatch, tmp_path, kind):
    (only,) = harness(monkeypatch, tmp_path).errors(kind, [3])
    assert only.lost.startswith("exit code 99")


def test_a_run_is_killed_at_moments(monkeypatch, tmp_path):
    found = list(harness(monkeypatch, tmp_path, careful).kills(5, random.Random(0)))
    assert len(found) == 5
    assert [each.at for each in found] == sorted(each.at for each in found)
    assert all(each.lost is None for each in found)


def when_begun(monkeypatch, begun):
    """Let the moments of signals be counted from when the command has begun, and have written a file."""
    whole = Process.wait

    def wait(process, seconds=None):
        while seconds is not None and not begun.exists():
            assert whole(process, 0.01) == rounds.RUNNING
        return whole(process, seconds)

    monkeypatch.setattr(Process, "wait", wait)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_must_not_end_in_a_traceback(monkeypatch, tmp_path, name):
    begun = tmp_path / "begun"

    def waiting(words):
        if Path.cwd().name == "run" and not begun.exists():
            begun.touch()
            time.sleep(600)
        return careless(words)

    found = harness(monkeypatch, tmp_path, waiting)
    when_begun(monkeypatch, begun)
    early = SimpleNamespace(randint=lambda *_: 1, uniform=lambda *_: 0.1)
    (only,) = found.signals(name, 1, early)
    assert (only.lost is None) == (name != "Ctrl-C")


def test_signals_come_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(rounds, "main", lambda words: time.sleep(600))
    ended = forked(["quiet"], tmp_path / "slow", after=0.2)
    assert ended.code == -signal.SIGKILL
    assert ended.seconds >= 0.2


def test_a_process_that_has_ended_gets_no_signal(tmp_path, monkeypatch):
    monkeypatch.setattr(rounds, "main", lambda words: 3)
    process = Process(["quiet"], tmp_path / "quick")
    assert process.ended().code == 3
    process.send(signal.SIGKILL)
    assert process.wait() == rounds.ENDED


def test_a_process_that_hangs_says_where(tmp_path, monkeypatch):
    begun = tmp_path / "begun"
    monkeypatch.setattr(rounds, "main", lambda words: (begun.touch(), time.sleep(60)))
    process = Process(["quiet"], tmp_path / "hanging")
    while not begun.exists():
        assert process.wait(0.01) == rounds.RUNNING
    monkeypatch.setattr(rounds, "LIMIT", 0.1)
    ended = process.ended()
    assert ended.code == rounds.HUNG
    assert "test_rounds.py" in ended.said
