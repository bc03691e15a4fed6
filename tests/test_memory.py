import pytest

from sercl.errors import SerclWarning
from sercl.memory import by_halves, exhausted, halves_of


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


def working(most, tried):
    def work(items):
        tried.append(len(items))
        if len(items) > most:
            raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return [item * 10 for item in items]

    return work


def test_results_come_in_order_from_batches_that_fit():
    tried = []
    with pytest.warns(
        SerclWarning, match="7 clips did not fit into GPU memory: .* Smaller batches \\(--size\\)"
    ):
        assert by_halves(working(2, tried), list(range(7)), halves_of, "--size") == [10 * n for n in range(7)]
    assert tried == [7, 3, 1, 2, 4, 2, 2]


def test_what_fits_is_tried_once_and_says_nothing(recwarn):
    tried = []
    assert by_halves(working(7, tried), [1, 2], halves_of, "--size") == [10, 20]
    assert tried == [2]
    assert not list(recwarn)


def test_a_single_item_that_does_not_fit_is_an_error():
    with pytest.warns(SerclWarning), pytest.raises(OutOfMemoryError):
        by_halves(working(0, []), [1, 2], halves_of, "--size")


def test_other_errors_pass():
    def broken(items):
        raise ValueError("no more memory of it")

    with pytest.raises(ValueError, match="no more"):
        by_halves(broken, [1, 2], halves_of, "--size")


def test_which_memory_has_run_out():
    assert exhausted(OutOfMemoryError("Tried to allocate 2 GiB")) == "GPU memory"
    assert exhausted(MemoryError()) == "memory"
    assert exhausted(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")) == "memory"
    assert exhausted(RuntimeError("Caught it elsewhere"), "_ArrayMemoryError") == "memory"
    assert exhausted(RuntimeError("out of luck")) is None
    assert exhausted(ValueError("CUDA out of memory")) is None
