"""A work item in a separate process, which ends with its parent."""

import math
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from sercl.launchers.output import own_process_output_to
from sercl.launchers.work import Outcome, Work, describe, serve

Environment = Mapping[str, str | None]
"""Environment variable -> its value; None unsets it."""

_GRACE = 30.0
"""Time in s to end after SIGTERM, which a training does after its batch; SLURM gives as much."""
_LOOK = 1.0
"""Time in s after which processes are checked even if none has reported its end."""


class Report(NamedTuple):
    """What a process says of its work at its end: the error, None if there is none, and when it ended.

    Attributes:
        error: Type and message.
        seconds: Wall-clock time of the work in s.
        time: When, on the monotonic clock of the machine, in s; before all others for a process that died.
    """

    error: str | None
    seconds: float
    time: float


class OwnProcess:
    """A work item in a process of its own.

    Keep it before it is started: if Ctrl-C comes while it starts, `stop` must know of it.

    Args:
        work: The work item.
        environment: Variables that differ from those of this process; libraries read them while loading.
        run: Does the work in the process.
    """

    def __init__(
        self,
        work: Work,
        environment: Environment = MappingProxyType({}),
        run: Callable[[Work], Outcome] = serve,
    ) -> None:
        # Spawned: forking with running threads, or after CUDA was used, does not work.
        context = multiprocessing.get_context("spawn")
        self._work, self._environment, self._begin = work, environment, time.perf_counter()
        self._answer, self._sender = context.Pipe(duplex=False)
        self._report: Report | None = None
        self._process = context.Process(target=_serve, args=(pickle.dumps(work), work.log, self._sender, run))

    def start(self) -> None:
        """Start to run the work."""
        self._begin = time.perf_counter()
        with _environment(self._environment):
            self._process.start()
        self._sender.close()

    @property
    def sentinel(self) -> int:
        """Ready when the process has ended (see `multiprocessing.connection.wait`)."""
        return self._process.sentinel

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended, in whatever way."""
        return not self._process.is_alive()

    @property
    def signs(self) -> list["int | Connection[object, object]"]:
        """What becomes ready when there is news of it (see `multiprocessing.connection.wait`)."""
        return [self._process.sentinel, *([self._answer] if self._received() is None else [])]

    def report(self) -> Report | None:
        """Return how the work has ended, None while it goes on; the process may still be ending."""
        has_ended = self.has_ended
        return self._received() or (self._dead() if has_ended else None)

    def _received(self) -> Report | None:
        if self._report is None and self._answer.poll():
            with suppress(EOFError):  # It died without reporting.
                self._report = self._answer.recv()
        return self._report

    def _dead(self) -> Report:
        seconds = time.perf_counter() - self._begin
        return Report(_death(self._process.exitcode), seconds, -math.inf)

    def outcome(self) -> Outcome:
        """Return how the work ended, once the process has."""
        self._process.join()
        self.send(signal.SIGKILL)  # Processes that it has left running, such as the workers of a loader.
        error, seconds, _ = self._received() or self._dead()
        return Outcome(self._work.name, error, seconds)

    def send(self, number: int) -> None:
        """Send a signal to the process and all that it has started, if it has been started itself."""
        if self._process.pid is None:
            return
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            self._process.kill()  # It has not created its process group yet, or is gone.

    def ask(self, number: int) -> None:
        """Send a signal that asks to stop to the process alone, which needs those that it has started."""
        if not self.has_ended and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def join(self, seconds: float) -> None:
        """Wait for its end, but at most `seconds`; do nothing if it has not been started."""
        if self._process.pid is not None:
            self._process.join(max(0.0, seconds))


def first_ended(processes: Sequence[OwnProcess]) -> list[OwnProcess]:
    """Wait until a process has ended, and return all that have."""
    while not (ended := [process for process in processes if process.has_ended]):
        # Children of a killed process keep its sentinel open for a while, so it is not sufficient.
        wait([process.sentinel for process in processes], timeout=_LOOK)
    return ended


def stop(processes: Sequence[OwnProcess]) -> None:
    """End processes: first with SIGTERM, then by force, with all that they have started.

    A training that is asked to stop still needs its loaders for the batch that it is at.
    """
    for process in processes:
        process.ask(signal.SIGTERM)
    join(processes)
    for process in processes:
        process.send(signal.SIGKILL)
        process.join(_GRACE)


def join(processes: Sequence[OwnProcess]) -> None:
    """Wait for the end of processes that have been asked to end, but not for long."""
    deadline = time.monotonic() + _GRACE
    for process in processes:
        process.join(deadline - time.monotonic())


def _death(code: int | None) -> str:
    if code is None or code >= 0:
        return f"its process ended with exit code {code} before the work was done; see the log"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    cause = ", as the system does when memory runs out" if name == "SIGKILL" else "; see the log"
    return f"its process was killed by {name}{cause}"


def _serve(
    packed: bytes, log: Path, sender: "Connection[object, object]", run: Callable[[Work], Outcome]
) -> None:
    """Run a work item in a new process, and send its outcome."""
    os.setpgrp()  # The parent handles Ctrl-C, and stops this process and its children.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin = time.perf_counter()
    try:
        own_process_output_to(log)  # so that errors while loading are reported, too
        outcome = run(pickle.loads(packed))
    except BaseException as failure:
        sender.send(Report(describe(failure), time.perf_counter() - begin, time.monotonic()))
        raise
    sender.send(Report(outcome.error, outcome.seconds, time.monotonic()))


@contextmanager
def _environment(own: Environment) -> Iterator[None]:
    """Set environment variables for processes started in the block."""
    before = {name: os.environ.get(name) for name in own}
    _set(own)
    try:
        yield
    finally:
        _set(before)


def _set(environment: Environment) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.killpg(os.getpgrp(), signal.SIGKILL)
