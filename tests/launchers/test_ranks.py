import math
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from sercl import stopping
from sercl.errors import ProcessFailedError
from sercl.launchers import on_devices, process
from sercl.launchers.ranks import _raise_failure, free_port, run_ranks
from sercl.stopping import Stopped
from tests.launchers import samples
from tests.launchers.samples import ROOT, ends


def test_with_one_device_the_call_stays_what_it_is(tmp_path: Path) -> None:
    assert on_devices(samples.fail, 1, tmp_path / "log") is samples.fail


@pytest.mark.parametrize(("threads", "each"), [(None, "4"), ("6", "3"), ("1", "1")])
def test_ranks_are_called_at_once_and_know_each_other(
    threads: str | None, each: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sercl.launchers.local.usable_cores", lambda: 9)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if threads is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
    monkeypatch.setenv("SLURM_NTASKS", "1")
    run_ranks(partial(samples.note_rank, tmp_path), 2, tmp_path / "log")
    seen = [(tmp_path / f"rank-{rank}").read_text(encoding="utf-8").split() for rank in (0, 1)]
    assert [own[:3] for own in seen] == [["0", "2", "0"], ["1", "2", "0"]]
    assert seen[0][3] == seen[1][3] != "-"
    assert {tuple(own[4:]) for own in seen} == {(each, "-")}
    said = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert sorted(said) == ["said by rank 0", "said by rank 1"]
    assert (os.environ["SLURM_NTASKS"], os.environ.get("RANK")) == ("1", None)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (samples.fail, "rank 1: ValueError: no such thing"),
        (
            samples.give_up,
            "rank 1: ProcessFailedError: another rank has not responded for 5 s: it hangs, or was suspended. "
            "--trainer.strategy.timeout sets how long to wait.",
        ),
        (samples.die, "rank 1: its process was killed by SIGKILL, as the system does when memory runs out"),
    ],
    ids=["fails", "waits for another", "dies"],
)
def test_if_one_fails_the_others_end(how: object, said: str, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(ProcessFailedError) as failed:
        run_ranks(partial(samples.fail_as_second, pids, how), 2, tmp_path / "log")
    assert str(failed.value) == said
    assert [pid for pid in samples.pids_in(pids) if not ends(pid)] == []


def test_the_first_failure_is_the_cause_of_the_others(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailedError, match=r"^rank 1: ValueError: no such thing$"):
        run_ranks(partial(samples.fail_one_after_the_other, tmp_path / "first"), 2, tmp_path / "log")


def test_the_failure_that_came_first_is_the_cause_whichever_is_seen_first() -> None:
    reports = [process.Report("lost", 1.0, 7.0), None, process.Report("no memory", 1.0, 5.0)]
    own = [SimpleNamespace(report=lambda report=report: report) for report in reports]
    with pytest.raises(ProcessFailedError, match=r"^rank 2: no memory$"):
        _raise_failure(own)  # type: ignore[arg-type]


@contextmanager
def _sending(folder: Path, numbers: list[signal.Signals]) -> Iterator[None]:
    """Send signals to this process one after the other, once both ranks are at work.

    Python may handle two signals that come at once in either order.
    """

    def send() -> None:
        for rank in (0, 1):
            samples.pids_in(folder / f"pids-{rank}")
        for number in numbers:
            os.kill(os.getpid(), number)
            samples.wait_for(folder / "asked-0")
        samples.write(folder / "sent", "")

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        sender.join()


@pytest.mark.parametrize(
    ("numbers", "code"),
    [([signal.SIGUSR1], 75), ([signal.SIGTERM], 143), ([signal.SIGUSR1, signal.SIGTERM], 75)],
    ids=["SIGUSR1", "SIGTERM", "both"],
)
def test_a_signal_reaches_all_of_them_and_they_have_the_time_to_save(
    numbers: list[signal.Signals], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "SAME", math.inf)
    with _sending(tmp_path, numbers), pytest.raises(Stopped) as stopped:
        run_ranks(partial(samples.work_until_asked, tmp_path, "sent"), 2, tmp_path / "log")
    assert stopped.value.code == code
    saved = [(tmp_path / f"saved-{rank}").read_text(encoding="utf-8") for rank in (0, 1)]
    assert saved == [f"{code} alive"] * 2  # a loader of data has not been asked, too
    assert [
        pid for rank in (0, 1) for pid in samples.pids_in(tmp_path / f"pids-{rank}") if not ends(pid)
    ] == []


SCRIPT = """
import sys
from functools import partial
from pathlib import Path
from sercl.launchers import Work, on_devices
from sercl.launchers.local import InProcess, Processes
from tests.launchers import samples

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    launcher = {"alone": InProcess(), "jobs": Processes(2)}[sys.argv[2]]
    call = on_devices(partial(samples.work_until_asked, folder), 2, folder / "log")
    list(launcher.run([Work("work", call, folder / "log")]))
"""


@pytest.mark.parametrize(
    ("number", "launcher"),
    [
        (signal.SIGINT, "alone"),
        (signal.SIGINT, "jobs"),
        (signal.SIGTERM, "alone"),
        (signal.SIGKILL, "alone"),
        (signal.SIGKILL, "jobs"),
    ],
)
def test_nothing_goes_on_when_the_run_is_ended(number: signal.Signals, launcher: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    # Without GPUs, for which torch would be imported.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path), launcher]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as run:
        pids = [pid for rank in (0, 1) for pid in samples.pids_in(tmp_path / f"pids-{rank}")]
        run.send_signal(number)
        run.communicate(timeout=samples.LIMIT)
    assert run.returncode in (-number, 128 + number)
    assert [pid for pid in pids if not ends(pid)] == []
    if number == signal.SIGINT:
        assert (tmp_path / "saved-0").read_text(encoding="utf-8").startswith("143")


def test_a_second_signal_ends_them_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "SAME", 0.0)
    monkeypatch.setattr(process, "_GRACE", 0.1)
    numbers = [signal.SIGUSR1, signal.SIGTERM]
    with _sending(tmp_path, numbers), pytest.raises(Stopped) as stopped:
        run_ranks(partial(samples.work_until_asked, tmp_path, "never"), 2, tmp_path / "log")
    assert stopped.value.code == 143
    assert [pid for rank in (0, 1) if not ends(pid := samples.pids_in(tmp_path / f"pids-{rank}")[0])] == []
    assert not list(tmp_path.glob("saved-*"))


def test_a_port_that_is_taken_is_left_out() -> None:
    first = free_port()
    assert first < 32_768
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first))
        assert free_port() != first
