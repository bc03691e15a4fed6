"""Several processes of one command: Lightning starts the others by running the command line again."""

import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as L
from lightning.fabric.utilities.distributed import _set_num_threads_if_needed
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from lightning.pytorch.utilities import rank_zero_only

from sercl.cli import failure as failures
from sercl.cli.siblings import Failure, announced, left
from sercl.connections import NO_ANSWER, is_lost_connection, waited
from sercl.errors import ProcessFailedError, UsageError

_LOOK = 0.2
"""Interval in s between checks of the other processes."""
_CAUSE = 30.0
"""Time in s within which a process that has closed its connections ends, or reports why."""
_SILENT = 3.0
"""Time in s within which those that have given up waiting for another process, too, report that."""
_NOTICE = 2.0
"""Time in s within which the main thread notices a failure, unless it waits for the dead process."""
_TIDY = 30.0
"""Time in s for the main thread to finish its current work."""
_ASKED = 2.0
"""Time in s for the other processes to end by themselves once asked to."""

_others: "Others | None" = None


def is_first() -> bool:
    """Whether this process is the one that prints and writes."""
    return _rank() == 0


def _rank() -> int:
    return int(getattr(rank_zero_only, "rank", 0) or 0)


def supervise(trainer: L.Trainer) -> L.Trainer:
    """Return a trainer that ends the run with one message when a process that it has started fails.

    Raises:
        UsageError: If a launcher's environment variables describe another run than this.
    """
    if _rank() >= trainer.world_size:
        raise UsageError(
            f"the environment says that this is process {_rank() + 1} of a run "
            f"(RANK, LOCAL_RANK, NODE_RANK), but the run has {trainer.world_size}. Unset these variables, or "
            "give --trainer.devices and --trainer.num_nodes as the launcher has them."
        )
    launcher = trainer.strategy.launcher
    if type(launcher) is _SubprocessScriptLauncher and hasattr(signal, "pthread_kill"):
        own = Launcher(launcher.cluster_environment, launcher.num_processes, launcher.num_nodes)
        trainer.strategy._launcher = own
    return trainer


@contextmanager
def restartable(command: str) -> Iterator[None]:
    """Set `sys.argv` to the whole command line while the block runs, as Lightning's launcher needs it.

    If the block fails, the processes that it has started are ended.

    Args:
        command: Name of the command ("fit", "diarize fit"), which the dispatcher has taken off `sys.argv`.

    Raises:
        ProcessFailedError: If another process has failed and caused this one to fail.
    """
    before = sys.argv
    script = getattr(sys.modules["__main__"], "__file__", None) or before[0]
    sys.argv = [script, *command.split(), *before[1:]]
    try:
        yield
    except BaseException as error:
        if _others is None:
            raise
        cause = _others.cause_of(error)
        _others.end()
        if cause is error:
            raise
        raise cause from error
    else:
        if _others is not None:
            _others.let_go()
    finally:
        sys.argv = before


class Launcher(_SubprocessScriptLauncher):
    """Starts the other processes as Lightning does, but monitors them with `Others`.

    Lightning would kill this process without a message if one of them fails.
    """

    def launch(
        self, function: Callable[..., Any], *args: Any, trainer: L.Trainer | None = None, **kwargs: Any
    ) -> Any:
        """Start the other processes, unless they already exist, and call a function."""
        global _others
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            folder = Path(tempfile.mkdtemp(prefix="sercl-processes-"))
            with announced(folder):
                self._call_children_scripts()
            _others = Others(self.procs, folder, self.cluster_environment.node_rank() * self.num_processes)
        _set_num_threads_if_needed(num_processes=self.num_processes)
        return function(*args, **kwargs)

    def kill(self, signum: int) -> None:
        """Do nothing: `restartable` ends the others."""


class Others:
    """Monitors the processes that this one has started.

    A failure of one of them is raised in the main thread. If that is impossible, because it waits for the
    dead process in a collective operation, this process ends with the message.

    Args:
        processes: From local rank 1 on.
        folder: Folder in which they report failures.
        first: Rank of this process.
    """

    def __init__(self, processes: Sequence["subprocess.Popen[Any]"], folder: Path, first: int) -> None:
        self._processes, self._folder, self._first = processes, folder, first
        self._failed, self._noticed, self._over = (threading.Event() for _ in range(3))
        self._lost = threading.Event()
        self._ending = threading.Lock()
        self._failure = Failure("", 1)
        signal.signal(signal.SIGUSR2, self._raise)
        threading.Thread(target=self._watch, daemon=True, name="other-processes").start()

    def cause_of(self, error: BaseException) -> BaseException:
        """Return what ended this process: an error, or the failure of another one that caused it."""
        self._noticed.set()
        if isinstance(error, ProcessFailedError) or not is_lost_connection(error):
            return error
        if (seconds := waited(error)) is not None and (silent := self._silent()):
            said = f"rank {', '.join(silent)}: {NO_ANSWER.format(seconds)} {failures.CONTINUES}"
            return ProcessFailedError(said, 1)
        self._lost.set()
        if self._processes:
            self._failed.wait(_CAUSE + 2 * _LOOK)
        return self._error() if self._failed.is_set() else error

    def _silent(self) -> list[str]:
        """Return the ranks of live processes without a failure, after waiting for others to report theirs."""
        time.sleep(_SILENT)
        return [
            str(self._first + index + 1)
            for index, process in enumerate(self._processes)
            if process.poll() is None and left(self._folder, index + 1) is None
        ]

    def end(self) -> None:
        """End the processes, from the main thread."""
        if not self._is_first_to_end():
            threading.Event().wait()  # for the other thread, which ends this process
        self._end_processes()

    def _is_first_to_end(self) -> bool:
        """Whether no other thread is ending the run: only one of them reports what has ended it."""
        return self._ending.acquire(blocking=False)

    def _end_processes(self) -> None:
        """Ask the processes to end, so that they save what they have computed, then kill them."""
        self._over.set()
        for process in self._processes:
            # Not SIGTERM: Lightning responds to that with a message to this process.
            process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + _ASKED
        for process in self._processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.let_go()

    def let_go(self) -> None:
        """Stop monitoring: the joint work is done."""
        self._over.set()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _watch(self) -> None:
        first_seen = math.inf
        while not self._over.wait(_LOOK):
            seen = [found for index in range(len(self._processes)) if (found := self._look(index))]
            if seen:
                first_seen = min(first_seen, time.monotonic())
            causes = [found for found in seen if not found.lost]
            if causes or (seen and self._has_no_cause(len(seen), first_seen)):
                self._tell((causes or seen)[0])
                return

    def _has_no_cause(self, seen: int, since: float) -> bool:
        """Whether all have only lost their connections, or nothing else was reported for long."""
        all_have_lost = self._lost.is_set() and seen == len(self._processes)
        return all_have_lost or time.monotonic() - since > _CAUSE

    def _look(self, index: int) -> Failure | None:
        """Return how a process has failed, None if it has not."""
        rank, code = self._first + index + 1, self._processes[index].poll()
        if (found := left(self._folder, index + 1)) is not None:
            return Failure(f"rank {rank}: {found.message}", found.code, found.lost)
        return Failure(f"rank {rank}: {_death(code)}", 1) if code else None

    def _tell(self, failure: Failure) -> None:
        """Raise a failure in the main thread; if that does not get through, end this process."""
        self._failure = failure
        self._failed.set()
        if not self._noticed.wait(_LOOK) and not self._over.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)
        is_noticed = self._noticed.wait(_NOTICE) and self._over.wait(_TIDY)
        if not is_noticed and self._is_first_to_end():
            code = 1
            try:
                code = failures.report(self._error())
                self._end_processes()
            finally:
                os._exit(code)  # the main thread waits for it

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if not (self._noticed.is_set() or self._over.is_set()):
            self._noticed.set()
            raise self._error()

    def _error(self) -> ProcessFailedError:
        return ProcessFailedError(self._failure.message, self._failure.code)


def _death(code: int) -> str:
    if code > 0:
        return f"its process ended with exit code {code} and without a message. See what it printed above."
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    cause = ", as the system does when memory runs out" if name == "SIGKILL" else ""
    return (
        f"its process was killed by {name}{cause}. Use smaller batches (--data.loader.batch_seconds) or "
        "fewer processes (--trainer.devices, --data.loader.workers). Training continues with --resume."
    )
