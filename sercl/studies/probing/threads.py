"""Independent pieces of torch work side by side, one thread each.

Small matrix products gain little from being split over cores, and lose all of it to waiting where another
process uses the cores too. Whole pieces that never wait for each other gain in full.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")
Report = Callable[[int], None]


class _HaltedError(Exception):
    """Another piece has failed, or the user has had enough: this one need not be finished."""


def side_by_side(
    work: Callable[[Piece, Report], Result], pieces: Sequence[Piece], workers: int, report: Report
) -> list[Result]:
    """Work on pieces at the same time.

    Args:
        work: Called with a piece, and with what it is to call in place of `report` every now and then: an
            exception comes out of it where the work is no longer wanted.
        pieces: What to work on.
        workers: How many at a time; with 1, the calling thread does it all, with all of torch's threads.
        report: Never called by two threads at once.

    Returns:
        One result per piece, in their order.
    """
    if workers == 1 or len(pieces) == 1:
        return [work(piece, report) for piece in pieces]
    halt, lock = threading.Event(), threading.Lock()

    def watched(amount: int) -> None:
        if halt.is_set():
            raise _HaltedError
        with lock:
            report(amount)

    with _one_thread_each(), ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work, piece, watched) for piece in pieces]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:
            halt.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]


@contextmanager
def _one_thread_each() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
