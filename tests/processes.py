"""Several processes of one test, forked from it: importing torch and lightning anew takes many seconds."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from lightning.pytorch.utilities import rank_zero_only

from sercl.cli import lightning  # noqa: F401 - loaded here once, not in every process
from sercl.cli.main import main
from sercl.cli.processes import Launcher
from sercl.launchers.ranks import free_port
from sercl.stopping import raising_stops
from sercl.tasks.classification import EmotionClassifier
from tests.launchers.samples import is_alive

_FORK = multiprocessing.get_context("fork")
_TWO = ["--trainer.devices", "2"]
_LIMIT = 240.0
"""Seconds after which a process is taken to hang."""


@dataclass(frozen=True)
class Ended:
    """How a command ended in one of its processes, or in all of them: exit code, and what was printed.

    The exit code of one that was killed is negative.
    """

    code: int
    out: str
    err: str


def gathered(work: Callable[[int], Any], place: Path, count: int = 2) -> list[Any]:
    """Return what `work(rank)` returns in each of `count` processes, joined in a group of gloo.

    Args:
        work: May be a closure; what it returns must be picklable.
        place: An empty folder, where the processes meet.
        count: Number of processes.
    """
    pipes = [_FORK.Pipe(duplex=False) for _ in range(count)]
    processes: list[BaseProcess] = [
        _FORK.Process(target=_join, args=(work, place, rank, count, sender))
        for rank, (_, sender) in enumerate(pipes)
    ]
    with _running(processes):
        return [_answer(pipe[0], rank) for rank, pipe in enumerate(pipes)]


def launched(
    words: list[str],
    folder: Path,
    prepare: Callable[[], None] = lambda: None,
    strategy: Sequence[str] = ("--trainer.strategy", "ddp"),
) -> Ended:
    """Run a command in two processes, of which the first starts the second as on the command line.

    Args:
        words: The command line, without what says that there are several processes.
        folder: Where what they print goes; an empty one.
        prepare: Called in the first process before anything else; what it patches is patched in both.
        strategy: Options that say how they train together.
    """
    return _ended(_FORK.Process(target=_first, args=([*words, *_TWO, *strategy], folder, prepare)), folder)


def alone(words: list[str], folder: Path, prepare: Callable[[], None] = lambda: None) -> Ended:
    """Run a command in a process of its own; arguments as of `launched`."""
    return _ended(_FORK.Process(target=_run, args=(words, folder, 0, prepare)), folder)


def killed_when(is_time: Callable[[EmotionClassifier, int], bool]) -> Callable[[], None]:
    """Return what kills a process (`kill -9`) before a training step.

    Args:
        is_time: Whether it is that of a model and the number of a batch.
    """

    def prepare() -> None:
        step = EmotionClassifier.training_step

        def killing(task: EmotionClassifier, batch: Any, index: int) -> Any:
            if is_time(task, index):
                os.kill(os.getpid(), signal.SIGKILL)
            return step(task, batch, index)

        EmotionClassifier.training_step = killing  # type: ignore[method-assign]

    return prepare


def as_forked_rank(call: Callable[[], None]) -> None:
    """Be a rank of `sercl.launchers.ranks` that is forked from this process."""
    torch.set_num_threads(1)  # a forked process must not use the threads of its parent
    rank_zero_only.rank = rank_of_process()  # which Lightning reads when it is imported
    with raising_stops():
        call()


def rank_of_process() -> int:
    """Return the rank of this process."""
    return int(os.environ.get("LOCAL_RANK", 0))


def left_running(folder: Path) -> list[int]:
    """Return the processes that a command of `launched` has left running, and that do not end."""
    deadline = time.monotonic() + _LIMIT
    while (alive := _alive(folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return alive


class _Started:
    """A forked process as `subprocess.Popen` shows it."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        process.start()
        self.pid = process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("sercl", timeout or 0.0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self._process.exitcode is None:
            os.kill(int(self.pid or 0), number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _ended(process: BaseProcess, folder: Path) -> Ended:
    """Run a process to its end, with a new folder for what it prints."""
    folder.mkdir(parents=True, exist_ok=True)
    with _running([process]):
        process.join(_LIMIT)
        assert not process.is_alive(), "the run hangs"
    out, err = ((folder / name).read_text() for name in ("out", "err"))
    return Ended(int(process.exitcode or 0), out, err)


def _first(words: list[str], folder: Path, prepare: Callable[[], None]) -> None:
    def start(launcher: Launcher) -> None:
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "NODE_RANK": 0, "LOCAL_RANK": 0}
        os.environ.update({name: str(value) for name, value in {**where, "WORLD_SIZE": 2}.items()})
        launcher.procs = [_Started(_FORK.Process(target=_run, args=(words, folder, 1)))]  # type: ignore[list-item]

    Launcher._call_children_scripts = start  # type: ignore[method-assign]
    _run(words, folder, 0, prepare)


def _run(words: list[str], folder: Path, rank: int, prepare: Callable[[], None] = lambda: None) -> None:
    torch.set_num_threads(1)  # a forked process must not use the threads of its parent
    with (folder / "pids").open("a") as pids:
        pids.write(f"{os.getpid()}\n")
    if rank:
        os.environ["LOCAL_RANK"] = str(rank)
    else:
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
    rank_zero_only.rank = rank
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        prepare()
        code = main(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # nothing of the test's own may run twice


def _alive(folder: Path) -> list[int]:
    pids = [int(line) for line in (folder / "pids").read_text().split()]
    return [pid for pid in pids if is_alive(pid)]


def _join(work: Callable[[int], Any], place: Path, rank: int, count: int, pipe: Any) -> None:
    torch.set_num_threads(1)
    try:
        method = f"file://{place / 'meeting'}"
        dist.init_process_group("gloo", init_method=method, rank=rank, world_size=count)
        pipe.send((True, work(rank)))
    except BaseException:
        pipe.send((False, traceback.format_exc()))
    os._exit(0)


def _answer(pipe: Any, rank: int) -> Any:
    assert pipe.poll(_LIMIT), f"process {rank} hangs"
    done, answer = pipe.recv()
    assert done, f"process {rank}:\n{answer}"
    return answer


@contextmanager
def _running(processes: list[BaseProcess]) -> Iterator[None]:
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()
