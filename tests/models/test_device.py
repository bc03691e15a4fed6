import pytest
import torch

from sercl.errors import UsageError
from sercl.models.device import find_device


def test_devices_by_name():
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type in ("cpu", "cuda")


@pytest.mark.parametrize("name", ["cuda:99", "tpu"])
def test_a_device_that_is_not_there_is_named(name):
    with pytest.raises(UsageError, match=f"device '{name}' is not usable here"):
        find_device(name)
