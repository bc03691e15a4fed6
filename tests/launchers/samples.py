"""Pieces of work of every kind, as other processes can load them."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sercl.launchers import Outcome, Work

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 120.0
"""Seconds after which what is waited for is taken never to come."""
FOREVER = 600
"""Seconds that no test takes."""


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def speak() -> None:
    print("said")
    print("complained", file=sys.stderr)
    warnings.warn("warned", stacklevel=1)
    logging.getLogger("some.library").warning("logged")


def speak_beneath() -> None:
    """Write as libraries in C do, and as child processes do."""
    ctypes.CDLL(None).puts(b"from C")
    ctypes.CDLL(None).fflush(None)
    subprocess.run(["echo", "from a child"], check=True)


def fail() -> None:
    raise ValueError("no such thing")


def leave() -> None:
    sys.exit(3)


def die(number: int = signal.SIGKILL) -> None:
    os.kill(os.getpid(), number)


def crash() -> None:
    ctypes.string_at(0)


def die_with_child(pid_file: Path) -> None:
    child = _child()
    write(pid_file, str(child.pid))
    die()


def _child() -> "subprocess.Popen[bytes]":
    """Start a process as a loader of data would."""
    return subprocess.Popen(["sleep", str(FOREVER)])


def wait_for(path: Path) -> None:
    """End when another work item has written a file: the two must run at the same time."""
    deadline = time.monotonic() + LIMIT
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.01)


def meet(own: Path, other: Path) -> None:
    write(own, "")
    wait_for(other)


def note_place(path: Path) -> None:
    names = ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
    write(path, " ".join(os.environ.get(name, "-") for name in names))


def go_on(begun: Path) -> None:
    """Take long, and be done the second time."""
    if begun.exists():
        return
    begun.with_suffix(".part").write_text(str(os.getpid()), encoding="utf-8")
    begun.with_suffix(".part").replace(begun)
    time.sleep(FOREVER)


def sleep(pid_file: Path) -> None:
    """Start a child, and take long."""
    child = _child()
    write(pid_file, f"{os.getpid()} {child.pid}")
    time.sleep(FOREVER)


def use_child_to_the_end(begun: Path) -> None:
    """Write, when asked to stop, whether a child was alive a moment later."""
    child = _child()

    def end(*_: object) -> None:
        time.sleep(0.2)
        write(begun, "needed" if child.poll() is None else "dead")
        sys.exit(1)

    signal.signal(signal.SIGTERM, end)
    write(begun, f"{os.getpid()} {child.pid}")
    time.sleep(FOREVER)


def alone(path: Path, folder: Path) -> None:
    """Fail where another work item of the same kind runs at the same time."""
    if any(other.read_text(encoding="utf-8") == "at work" for other in folder.glob("?")):
        raise RuntimeError("not alone")
    write(path, "at work")
    time.sleep(0.5)
    write(path, "done")


def works(folder: Path, **calls: object) -> list[Work]:
    """Return one work item per call; a call is a function, or a tuple of one and its arguments."""
    pairs = {name: call if isinstance(call, tuple) else (call,) for name, call in calls.items()}
    return [Work(name, partial(*call), folder / "logs" / f"{name}.txt") for name, call in pairs.items()]


def by_name(outcomes: list[Outcome]) -> dict[str, Outcome]:
    return {outcome.name: outcome for outcome in outcomes}


def pids_in(path: Path) -> list[int]:
    """Return the processes that `sleep` names, once it does."""
    wait_for(path)
    while len(pids := path.read_text(encoding="utf-8").split()) < 2:
        time.sleep(0.01)
    return [int(pid) for pid in pids]


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def ends(pid: int) -> bool:
    """Whether a process ends."""
    deadline = time.monotonic() + LIMIT
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def rank() -> int:
    return int(os.environ["RANK"])


def note_rank(folder: Path) -> None:
    """Write down how a rank is called, once all are there."""
    names = ("LOCAL_RANK", "WORLD_SIZE", "NODE_RANK", "MASTER_PORT", "OMP_NUM_THREADS", "SLURM_NTASKS")
    write(folder / f"rank-{rank()}", " ".join(os.environ.get(name, "-") for name in names))
    wait_for(folder / f"rank-{1 - rank()}")
    print(f"said by rank {rank()}")


def fail_as_second(pids: Path, how: Callable[[], None]) -> None:
    """Fail as the second rank once the first one waits, which it does for ever."""
    if rank() == 0:
        sleep(pids)
    pids_in(pids)
    how()


def fail_one_after_the_other(first: Path) -> None:
    """Fail as the second rank, and then as the first, which has lost its connection."""
    if rank() == 0:
        wait_for(first)
        raise RuntimeError("connection closed by peer")
    try:
        fail()
    finally:
        # The report of this one is sent, by the main thread, before the file says so.
        threading.Thread(target=lambda: (threading.main_thread().join(), write(first, ""))).start()


def give_up() -> None:
    """Fail as torch does after waiting for another process."""
    raise RuntimeError(
        "[gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 5000ms for recv operation"
    )


def work_until_asked(folder: Path, after: str | None = None) -> None:
    """Begin, and once asked to stop, save in some time how, and whether what this has started still runs.

    Args:
        folder: Where this writes down what it does.
        after: Name of a file without which it does not begin to save.
    """
    try:
        sleep(folder / f"pids-{rank()}")
    except SystemExit as asked:
        write(folder / f"asked-{rank()}", "")
        if after is not None:
            wait_for(folder / after)
        time.sleep(0.5)
        [_, child] = pids_in(folder / f"pids-{rank()}")
        write(folder / f"saved-{rank()}", f"{asked.code} {'alive' if is_alive(child) else 'ended'}")
        raise
