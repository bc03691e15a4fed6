"""Torch computes with one thread inside, also in threads started there, and as before outside."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from sercl.threads import one_thread


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_one_thread_is_used_inside(two_threads):
    with one_thread(), ThreadPoolExecutor(1) as pool:
        assert torch.get_num_threads() == 1
        assert pool.submit(torch.get_num_threads).result() == 1
    assert torch.get_num_threads() == 2


def test_an_error_restores_the_number(two_threads):
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2
