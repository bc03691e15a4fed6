import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sercl.launchers import LaunchConfig, get_launcher
from sercl.launchers.local import InProcess, Processes, slots_of
from sercl.launchers.process import OwnProcess
from tests.launchers import samples
from tests.launchers.samples import ROOT, by_name, ends, works


@pytest.mark.parametrize("launcher", [InProcess(), Processes(2)], ids=["in process", "processes"])
def test_one_that_fails_takes_no_other_down(launcher: InProcess | Processes, tmp_path: Path) -> None:
    done = tmp_path / "done"
    outcomes = by_name(
        list(launcher.run(works(tmp_path, bad=samples.fail, good=(samples.write, done, "yes"))))
    )
    assert outcomes["bad"].error == "ValueError: no such thing"
    assert outcomes["good"].error is None
    assert outcomes["good"].seconds > 0
    assert done.read_text(encoding="utf-8") == "yes"
    log = (tmp_path / "logs" / "bad.txt").read_text(encoding="utf-8")
    assert log.startswith("Traceback")
    assert "in fail" in log
    assert log.rstrip().endswith("ValueError: no such thing")


def test_in_this_process_works_are_done_in_turn_and_only_when_asked_for(tmp_path: Path) -> None:
    pid, later = tmp_path / "pid", tmp_path / "later"
    calls = works(tmp_path, first=(samples.write, pid, str(os.getpid())), second=(samples.write, later, ""))
    outcomes = InProcess().run(calls)
    assert next(outcomes).name == "first"
    assert not later.exists()
    assert [outcome.name for outcome in outcomes] == ["second"]


def test_in_this_process_ctrl_c_ends_the_run(tmp_path: Path) -> None:
    later = tmp_path / "later"
    calls = works(tmp_path, stopped=(signal.raise_signal, signal.SIGINT), second=(samples.write, later, ""))
    with pytest.raises(KeyboardInterrupt):
        list(InProcess().run(calls))
    assert not later.exists()


def test_a_process_that_dies_takes_no_other_down(tmp_path: Path) -> None:
    left, done = tmp_path / "left", tmp_path / "done"
    calls = works(
        tmp_path,
        killed=(samples.die_with_child, left),
        crashed=samples.crash,
        exited=samples.leave,
        good=(samples.write, done, "yes"),
    )
    outcomes = by_name(list(Processes(2).run(calls)))
    assert outcomes["killed"].error == (
        "its process was killed by SIGKILL, as the system does when memory runs out"
    )
    assert outcomes["crashed"].error == "its process was killed by SIGSEGV; see the log"
    assert "in crash" in (tmp_path / "logs" / "crashed.txt").read_text(encoding="utf-8")
    assert outcomes["exited"].error == "SystemExit: 3"
    assert outcomes["good"].error is None
    assert ends(int(left.read_text(encoding="utf-8")))


def test_processes_run_at_the_same_time_and_the_next_takes_the_place_that_is_free(tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    calls = works(
        tmp_path, first=(samples.meet, a, c), second=(samples.meet, b, a), third=(samples.meet, c, a)
    )
    outcomes = list(Processes(2).run(calls))
    assert [outcome.error for outcome in outcomes] == [None] * 3
    assert outcomes[0].name == "second"


def test_the_log_holds_all_that_a_process_says(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "loud.txt"
    log.parent.mkdir()
    log.write_text("of an earlier run", encoding="utf-8")
    list(Processes(2).run(works(tmp_path, loud=samples.speak, beneath=samples.speak_beneath)))
    text = log.read_text(encoding="utf-8")
    assert all(word in text for word in ("said", "complained", "warned", "logged"))
    assert "earlier" not in text
    beneath = (tmp_path / "logs" / "beneath.txt").read_text(encoding="utf-8")
    assert sorted(beneath.splitlines()) == ["from C", "from a child"]


def test_processes_share_cores_and_take_gpus_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("sercl.launchers.local.usable_cores", lambda: 9)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-7")
    files = {name: tmp_path / name for name in "abc"}
    calls = {name: (samples.note_place, path) for name, path in files.items()}
    list(Processes(3).run(works(tmp_path, **calls)))
    seen = sorted(path.read_text(encoding="utf-8") for path in files.values())
    assert seen == ["3 4", "3 4", "3 GPU-7"]
    assert "OMP_NUM_THREADS" not in os.environ
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,GPU-7"


@pytest.mark.parametrize(
    ("visible", "seen"),
    [("4,5,6,7", ["4,5", "6,7"]), ("4,5,6", ["4,5", "6,4"]), ("4", ["4", "4"]), ("", [None, None])],
)
def test_gpus_of_several_devices_are_given_in_turn(
    visible: str, seen: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [slot.get("CUDA_VISIBLE_DEVICES") for slot in slots_of(2, 2)] == seen
    assert get_launcher(LaunchConfig(jobs=2), 2).devices == 2  # type: ignore[attr-defined]


def test_threads_and_hidden_gpus_stay_as_the_user_has_set_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    list(Processes(2).run(works(tmp_path, a=(samples.note_place, tmp_path / "a"))))
    assert (tmp_path / "a").read_text(encoding="utf-8") == "7 "


def test_leaving_the_run_stops_what_is_running(tmp_path: Path) -> None:
    pids, ready = tmp_path / "pids", tmp_path / "ready"
    calls = works(tmp_path, long=(samples.sleep, pids), short=(samples.meet, ready, pids))
    outcomes = Processes(2).run(calls)
    assert next(outcomes).name == "short"
    outcomes.close()  # type: ignore[attr-defined]
    assert [pid for pid in samples.pids_in(pids) if not ends(pid)] == []


def test_ctrl_c_while_a_process_starts_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pids, start = tmp_path / "pids", OwnProcess.start

    def interrupted(process: OwnProcess) -> None:
        start(process)
        samples.pids_in(pids)
        raise KeyboardInterrupt

    monkeypatch.setattr(OwnProcess, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(Processes(1).run(works(tmp_path, long=(samples.sleep, pids))))
    assert [pid for pid in samples.pids_in(pids) if not ends(pid)] == []


def test_what_is_stopped_has_its_own_processes_until_it_ends(tmp_path: Path) -> None:
    begun, ready = tmp_path / "begun", tmp_path / "ready"
    outcomes = Processes(2).run(
        works(tmp_path, long=(samples.use_child_to_the_end, begun), short=(samples.meet, ready, begun))
    )
    next(outcomes)
    [_, child] = samples.pids_in(begun)
    outcomes.close()  # type: ignore[attr-defined]
    assert begun.read_text(encoding="utf-8") == "needed"
    assert ends(child)


SCRIPT = """
import sys
from pathlib import Path
from sercl.launchers.local import Processes
from tests.launchers import samples

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    calls = {name: (samples.sleep, folder / name) for name in "ab"}
    list(Processes(2).run(samples.works(folder, **calls)))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_goes_on_when_the_run_is_ended(number: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as run:
        pids = [pid for name in "ab" for pid in samples.pids_in(tmp_path / name)]
        run.send_signal(number)
        run.communicate(timeout=samples.LIMIT)
    assert run.returncode in (-number, 128 + number)
    assert [pid for pid in pids if not ends(pid)] == []


def test_which_launcher_is_local() -> None:
    assert isinstance(get_launcher(LaunchConfig()), InProcess)
    assert isinstance(get_launcher(LaunchConfig(jobs=1)), InProcess)
    assert get_launcher(LaunchConfig(jobs=3)).jobs == 3  # type: ignore[attr-defined]
