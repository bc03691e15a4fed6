import pytest

from sercl.data.config import LoaderConfig
from sercl.errors import UsageError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": -1}, "batch_size is -1"),
        ({"batch_seconds": float("nan")}, "batch_seconds is nan"),
        ({"workers": -2}, "workers is -2"),
        ({"workers": 10**9}, "workers is 1000000000; at most 256"),
        ({"min_seconds": -0.1}, "min_seconds is -0.1"),
        ({"seed": -1}, "seed is -1"),
        ({"min_seconds": 2.0, "max_seconds": 2.0}, r"max_seconds is 2.0.*greater than min_seconds \(2.0\)"),
        ({"batch_size": 0, "batch_seconds": 0}, "no bound"),
    ],
)
def test_numbers_out_of_range_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        LoaderConfig(**changes)


def test_zero_lifts_one_bound():
    assert LoaderConfig(batch_size=0, max_seconds=0).batch_seconds > 0
