import threading
import time
from collections.abc import Callable

import pytest
import torch

from sercl.studies.heads.running import side_by_side

Report = Callable[[int], None]


def test_results_come_in_order_from_several_threads() -> None:
    both = threading.Barrier(2, timeout=120)  # passes only if two pieces are at work at the same time

    def work(piece: int, report: Report) -> tuple[int, int]:
        both.wait()
        report(piece)
        return piece, torch.get_num_threads()

    reports: list[int] = []
    before = torch.get_num_threads()
    results = side_by_side(work, [3, 1, 2, 4], 2, reports.append)
    assert [piece for piece, _ in results] == [3, 1, 2, 4]
    assert sorted(reports) == [1, 2, 3, 4]
    assert {threads for _, threads in results} == {1}
    assert torch.get_num_threads() == before


def test_one_worker_works_in_the_calling_thread() -> None:
    names = side_by_side(lambda piece, _: threading.current_thread(), [1, 2], 1, lambda _: None)
    assert set(names) == {threading.current_thread()}


def test_an_error_halts_the_others() -> None:
    halted = threading.Event()

    def work(piece: int, report: Report) -> None:
        if piece == 1:
            raise ValueError("piece 1")
        try:
            while True:
                time.sleep(0.005)
                report(1)
        except BaseException:
            halted.set()
            raise

    with pytest.raises(ValueError, match="piece 1"):
        side_by_side(work, [0, 1, 2, 3], 2, lambda _: None)
    assert halted.is_set()
    assert torch.get_num_threads() >= 1
