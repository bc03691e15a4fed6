import pytest
import torch

from sercl.errors import UsageError
from sercl.models.device import default_workers, find_device


def test_devices_by_name():
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type in ("cpu", "cuda")


@pytest.mark.parametrize("name", ["cuda:99", "tpu"])
def test_a_device_that_is_not_there_is_named(name):
    with pytest.raises(UsageError, match=f"device '{name}' is not usable here"):
        find_device(name)


def test_only_a_gpu_has_its_audio_decoded_ahead_on_the_cores_that_this_process_may_use(monkeypatch):
    assert default_workers(torch.device("cpu")) == 0
    for cores, workers in ((1, 1), (3, 2), (64, 4)):
        monkeypatch.setattr("sercl.models.device.usable_cores", lambda cores=cores: cores)
        assert default_workers(torch.device("cuda")) == workers
