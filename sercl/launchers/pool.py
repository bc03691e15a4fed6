"""Processes on this machine that stay: each prepares once, and does the same to many items."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.queues import SimpleQueue
from typing import Any, NamedTuple, Self

from sercl.ahead import in_order
from sercl.errors import ProcessFailedError, SerclError
from sercl.launchers.local import slots_of

Prepare = Callable[[], Callable[[Any], Any]]


class Pool:
    """Several processes, each with one of the GPUs in turn, or its share of the cores.

    Args:
        prepare: Returns what is done to an item, such as a loaded model; called once in each process. It
            must be picklable, and its module must not import torch, which reads the variables that say what
            a process may use.
        processes: How many.
    """

    def __init__(self, prepare: Prepare, processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        slots = context.SimpleQueue()
        for slot in slots_of(processes):
            slots.put(slot)
        self._processes = processes
        self._pool = ProcessPoolExecutor(processes, context, _start, (prepare, slots))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def each(self, items: Iterable[Any]) -> Generator[Any, None, None]:
        """Yield what is made of each item, in order; items are read as they are needed.

        Raises:
            ProcessFailedError: If a process cannot prepare, fails on an item, or dies.
        """
        try:
            for answer in in_order(self._pool, _answered, items, 2 * self._processes):
                if answer.error is not None:
                    raise ProcessFailedError(answer.error, answer.exit_code)
                yield answer.value
        except BrokenProcessPool as error:
            raise ProcessFailedError(
                f"one of {self._processes} processes died, as when memory runs out and the system ends it. "
                "Use fewer of them, or smaller batches.",
                1,
            ) from error


class _Answer(NamedTuple):
    """What a process makes of an item, or why it cannot. Errors of their own types may not be picklable."""

    value: Any = None
    error: str | None = None
    exit_code: int = 0


_work: Callable[[Any], Any]
_unprepared: _Answer | None = None


def _start(prepare: Prepare, slots: "SimpleQueue[Mapping[str, str]]") -> None:
    """Prepare a new process."""
    global _work, _unprepared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The first process handles Ctrl-C, and ends this one.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(slots.get())
    try:
        _work = prepare()
    except SerclError as error:  # raised here, it would break the pool without a message
        _unprepared = _Answer(None, str(error), error.exit_code)


def _answered(item: Any) -> _Answer:
    if _unprepared is not None:
        return _unprepared
    try:
        return _Answer(_work(item))
    except SerclError as error:
        return _Answer(None, str(error), error.exit_code)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
