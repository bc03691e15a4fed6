"""The work items and outcomes of all launchers."""

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sercl.launchers.output import empty, output_to, own_process_output_to

_LONGEST = 4000
"""Maximum length of the error of an outcome; the log has all of it."""


@dataclass(frozen=True)
class Work:
    """An independent work item.

    Attributes:
        name: Its name in messages.
        call: Does the work and saves its results atomically. Must be picklable: a function of a module, or a
            `functools.partial` of one.
        log: File for all its output; overwritten. On a file system that all workers can access.
    """

    name: str
    call: Callable[[], None]
    log: Path


@dataclass(frozen=True)
class Outcome:
    """How a work item ended.

    Attributes:
        name: Name of the work item.
        error: Type and message of its error, or how its process died; None if it succeeded.
        seconds: Wall-clock time in s, without the time in the queue.
    """

    name: str
    error: str | None
    seconds: float


class Launcher(Protocol):
    """Runs work items."""

    def run(self, works: Sequence[Work]) -> Iterator[Outcome]:
        """Yield the outcome of each work item, in the order in which they end.

        Failures do not affect other items. If the iterator is left before its end, by an exception (Ctrl-C)
        or by `close`, running items are stopped.
        """
        ...


def carry_out(work: Work) -> Outcome:
    """Run a work item in this process; its output and the trace of an error go to its log.

    Raises:
        BaseException: Anything that is not an `Exception`: Ctrl-C and requests to stop.
    """
    begin, error = time.perf_counter(), None
    with output_to(work.log) as log:
        try:
            work.call()
        except Exception as failure:
            traceback.print_exception(failure, file=log)
            error = describe(failure)
    return Outcome(work.name, error, time.perf_counter() - begin)


def serve(work: Work) -> Outcome:
    """Run the only work item of this process.

    From now on all output of the process goes to the log, including that of C libraries and child processes.
    """
    empty(work.log)
    own_process_output_to(work.log)
    return carry_out(work)


def describe(failure: BaseException) -> str:
    """Return type and message of an exception."""
    return f"{type(failure).__name__}: {failure}".strip(": ")[:_LONGEST]
