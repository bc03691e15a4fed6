from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sercl.models.encoders import Encoder, load_encoder
from sercl.testing.encoders import tiny_encoder

Load = Callable[[str], Encoder]


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """A tiny encoder of a family, the same weights at every call, in evaluation mode."""

    @cache
    def folder(family: str) -> Path:
        return tiny_encoder(family, tmp_path_factory.mktemp(family))

    return lambda family: load_encoder(str(folder(family))).eval()


@pytest.fixture(scope="session")
def clips() -> tuple[Tensor, Tensor]:
    waveforms = 0.1 * torch.randn(2, 6000, generator=torch.Generator().manual_seed(0))
    return waveforms, torch.tensor([6000, 4000])
