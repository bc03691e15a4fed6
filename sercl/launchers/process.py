"""A work item in a separate process, which ends with its parent."""

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path

from sercl.launchers.output import own_process_output_to
from sercl.launchers.work import Outcome, Work, describe, serve

_GRACE = 10.0
"""Time in s to end after SIGTERM, as Lightning does at the next step."""
_LOOK = 1.0
"""Time in s after which processes are checked even if none has reported its end."""


class OwnProcess:
    """A work item that starts running when this is created.

    Args:
        work: The work item.
    """

    def __init__(self, work: Work) -> None:
        # Spawned: forking with running threads, or after CUDA was used, does not work.
        context = multiprocessing.get_context("spawn")
        self._work, self._begin = work, time.perf_counter()
        self._answer, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(pickle.dumps(work), work.log, sender))
        self._process.start()
        self._group = int(self._process.pid or 0)
        sender.close()

    @property
    def sentinel(self) -> int:
        """Ready when the process has ended (see `multiprocessing.connection.wait`)."""
        return self._process.sentinel

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended, in whatever way."""
        return not self._process.is_alive()

    def outcome(self) -> Outcome:
        """Return how the work ended, once the process has."""
        self._process.join()
        self.send(signal.SIGKILL)  # Processes that it has left running, such as the workers of a loader.
        seconds = time.perf_counter() - self._begin
        if self._answer.poll():
            try:
                error, seconds = self._answer.recv()
                return Outcome(self._work.name, error, seconds)
            except EOFError:
                pass  # It died without reporting.
        return Outcome(self._work.name, _death(self._process.exitcode), seconds)

    def send(self, number: int) -> None:
        """Send a signal to the process and all that it has started."""
        try:
            os.killpg(self._group, number)
        except (ProcessLookupError, PermissionError):
            self._process.kill()  # It has not created its process group yet, or is gone.

    def join(self, seconds: float) -> None:
        """Wait for its end, but at most `seconds`."""
        self._process.join(max(0.0, seconds))


def first_ended(processes: Sequence[OwnProcess]) -> list[OwnProcess]:
    """Wait until a process has ended, and return all that have."""
    while not (ended := [process for process in processes if process.has_ended]):
        # Children of a killed process keep its sentinel open for a while, so it is not sufficient.
        wait([process.sentinel for process in processes], timeout=_LOOK)
    return ended


def stop(processes: Sequence[OwnProcess]) -> None:
    """End processes and their children: first with SIGTERM, then by force."""
    for process in processes:
        process.send(signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    for process in processes:
        process.join(deadline - time.monotonic())
        process.send(signal.SIGKILL)
        process.join(_GRACE)


def _death(code: int | None) -> str:
    if code is None or code >= 0:
        return f"its process ended with exit code {code} before the work was done; see the log"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    cause = ", as the system does when memory runs out" if name == "SIGKILL" else "; see the log"
    return f"its process was killed by {name}{cause}"


def _serve(packed: bytes, log: Path, sender: "Connection[object, object]") -> None:
    """Run a work item in a new process, and send its outcome."""
    os.setpgrp()  # The parent handles Ctrl-C, and stops this process and its children.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin = time.perf_counter()
    try:
        own_process_output_to(log)  # so that errors while loading are reported, too
        outcome = serve(pickle.loads(packed))
        error, seconds = outcome.error, outcome.seconds
    except BaseException as failure:
        sender.send((describe(failure), time.perf_counter() - begin))
        raise
    sender.send((error, seconds))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.killpg(os.getpgrp(), signal.SIGKILL)
