import pytest
import torch
from torch import Tensor

from sercl.models.encoders import Encoder, load_encoder
from sercl.testing.encoders import FAMILIES, tiny_encoder

# Every family, and Whisper in both forms: (family, whisper_form).
VARIANTS = [(family, "padded") for family in FAMILIES] + [("whisper", "short")]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Folders of the tiny encoders by family."""
    root = tmp_path_factory.mktemp("encoders")
    return {family: tiny_encoder(family, root / family) for family in FAMILIES}


@pytest.fixture(scope="session")
def wide(tmp_path_factory):
    """Loads tiny encoders with grouped convolutions wide enough for bfloat16."""
    root = tmp_path_factory.mktemp("wide")

    def load(family: str) -> Encoder:
        if not (root / family).exists():
            tiny_encoder(family, root / family, hidden=64)
        return load_encoder(str(root / family))

    return load


@pytest.fixture(params=VARIANTS, ids=lambda variant: "-".join(variant))
def variant(request) -> tuple[str, str]:
    return request.param


@pytest.fixture
def encoder(variant, tiny) -> Encoder:
    family, form = variant
    return load_encoder(str(tiny[family]), whisper_form=form)


@pytest.fixture(scope="session")
def clips() -> list[Tensor]:
    """Clips of 1.0, 3.3, 1.5 and 0.1 s with an offset and different levels."""
    generator = torch.Generator().manual_seed(3)
    sizes, levels = (16_000, 52_801, 24_011, 1_600), (0.1, 0.02, 0.3, 0.1)
    return [
        level * (torch.randn(size, generator=generator) + 0.1)
        for size, level in zip(sizes, levels, strict=True)
    ]
