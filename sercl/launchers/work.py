"""What a launcher is given and what it answers, whatever runs the work."""

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sercl.launchers.output import empty, output_to, own_process_output_to

_LONGEST = 4000
"""Most characters of an error that an outcome carries; the log has all of it."""


@dataclass(frozen=True)
class Work:
    """One piece of work that needs no other.

    Attributes:
        name: What messages call it.
        call: Does the work and keeps its results, whole or not at all. Other processes must be able to load
            it: a function of a module, or a `functools.partial` of one.
        log: Gets all that the work says; overwritten. On a file system that every working process sees.
    """

    name: str
    call: Callable[[], None]
    log: Path


@dataclass(frozen=True)
class Outcome:
    """How a piece of work ended.

    Attributes:
        name: That of the work.
        error: Type and message of what made it fail, or how its process died; None where it is done.
        seconds: Wall-clock time it took, without waiting for its turn.
    """

    name: str
    error: str | None
    seconds: float


class Launcher(Protocol):
    """Runs pieces of work somewhere."""

    def run(self, works: Sequence[Work]) -> Iterator[Outcome]:
        """Yield the outcome of each piece of work in the order in which they end.

        One that fails or dies takes no other down. Where the iterator is left before its end, by an exception
        (Ctrl-C) or by `close`, what is running is stopped.
        """
        ...


def carry_out(work: Work) -> Outcome:
    """Do a piece of work here and now, its output and the trace of an error going to its log.

    Raises:
        BaseException: What is no `Exception` passes, that is Ctrl-C and requests to stop.
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
    """Do the one piece of work that this process is there for.

    All of the process's output goes to the log from now on, also that of libraries in C and of children.
    """
    empty(work.log)
    own_process_output_to(work.log)
    return carry_out(work)


def describe(failure: BaseException) -> str:
    """Return type and message of an exception."""
    return f"{type(failure).__name__}: {failure}".strip(": ")[:_LONGEST]
