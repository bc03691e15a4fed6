import pytest
import torch

from sercl.models.encoders.fast.packed import supported


@pytest.fixture(autouse=True)
def without_gradients():
    if not supported(torch.float32):
        pytest.skip("needs oneDNN on x86-64")
    with torch.inference_mode():
        yield
