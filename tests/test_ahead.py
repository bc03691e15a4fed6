import os
import threading
import time

import pytest

from sercl.ahead import ahead, usable_cores


def double(number: int) -> int:
    time.sleep(0.002 * (number % 3))
    return 2 * number


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_order(workers: int) -> None:
    assert list(ahead(double, range(20), workers)) == [2 * number for number in range(20)]
    assert list(ahead(double, (), workers)) == []


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_no_more_is_read_than_workers_need(workers: int) -> None:
    read: list[int] = []

    def numbers():
        for number in range(100):
            read.append(number)
            yield number

    results = ahead(double, numbers(), workers)
    assert [next(results), next(results)] == [0, 2]
    assert len(read) <= 2 + workers
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sercl-ahead")]


def test_an_error_comes_in_its_place_and_ends_the_work() -> None:
    def work(number: int) -> int:
        return 1 // (number - 2)

    results = ahead(work, range(10), 2)
    assert next(results) == -1
    assert next(results) == -1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_threads_work_while_a_result_is_used() -> None:
    started = threading.Event()

    def work(number: int) -> int:
        if number == 1:
            started.set()
        return number

    results = ahead(work, range(3), 1)
    assert next(results) == 0
    assert started.wait(120)
    results.close()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot do that")
def test_cores_that_a_scheduler_gives_to_others_do_not_count() -> None:
    own = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(own)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, own)
    assert usable_cores() == len(own)
