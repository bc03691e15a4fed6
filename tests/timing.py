"""Processor time, of which a test may say how much is too much: by the clock, a busy machine is slow."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Assert that a block takes less processor time of this thread."""
    begin = time.thread_time()
    yield
    used = time.thread_time() - begin
    assert used < seconds, f"{used:.1f} s of processor time"


def growth(work: Callable[[int], object], size: int, factor: int = 10) -> float:
    """Return how many times as long work takes if it is `factor` times as large."""
    return _least(work, factor * size) / _least(work, size)


def _least(work: Callable[[int], object], size: int) -> float:
    return min(_taken(work, size) for _ in range(3))


def _taken(work: Callable[[int], object], size: int) -> float:
    begin = time.thread_time()
    work(size)
    return time.thread_time() - begin
