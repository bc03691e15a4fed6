"""Work by threads or processes, some items ahead of what uses the results, which come in order."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Generator[Result, None, None]:
    """Yield `work(item)` of every item, in order, while threads are already at the following ones.

    Decoding and torch release Python's lock, so that threads suffice for audio.

    Args:
        work: What threads do.
        items: Read by the caller's thread, `workers` ahead.
        workers: Number of threads; with 0 the caller's thread does everything, one item at a time.
    """
    if not workers:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(workers, "sercl-ahead")
    try:
        yield from in_order(pool, work, items, workers)
    finally:
        pool.shutdown(cancel_futures=True)


def in_order(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], most: int
) -> Generator[Result, None, None]:
    """Yield `work(item)` of every item, in order, computed by a pool; left early, it cancels what waits.

    Args:
        pool: Where the work is done.
        work: What is done.
        items: Read by the caller's thread, `most` ahead.
        most: Number of items that are worked on, or done, while a result is used.
    """
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def usable_cores() -> int:
    """Return the number of cores that this process may use: a scheduler may allow it only some of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
