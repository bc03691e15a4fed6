"""Work on audio in threads, some steps ahead of what uses its results."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Generator[Result, None, None]:
    """Yield `work(item)` of every item, in order, while threads are already at the following ones.

    Decoding and torch release Python's lock, so that threads suffice. No more than `workers` results wait.

    Args:
        work: What threads do.
        items: Read by the caller's thread, `workers` ahead.
        workers: Number of threads; with 0 the caller's thread does everything, one item at a time.
    """
    if not workers:
        yield from map(work, items)
        return
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers, "sercl-audio")
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
