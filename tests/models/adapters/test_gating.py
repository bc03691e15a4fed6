import pytest
import torch
from torch import Tensor, nn

from sercl.errors import UnknownNameError
from sercl.models.adapters.gating.config import GatingConfig
from sercl.models.adapters.gating.layer import GatingAdapter
from sercl.models.encoders import FamilyTraits

TRAITS = FamilyTraits(block_linears=(), feed_forward="")


class Block(nn.Module):
    def forward(self, hidden_states: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        return hidden_states, mask


def gated(config: GatingConfig) -> tuple[Block, GatingAdapter]:
    block, adapter = Block(), GatingAdapter(4, config)
    adapter.attach(block, TRAITS)
    return block, adapter


@pytest.mark.parametrize(("config", "factor"), [(GatingConfig(), 1.0), (GatingConfig("paper"), 0.7310586)])
def test_start(config: GatingConfig, factor: float) -> None:
    block, _ = gated(config)
    torch.testing.assert_close(block(torch.ones(2, 3, 4))[0], torch.full((2, 3, 4), factor))


@pytest.mark.parametrize("scale", [("identity", 2.0), ("paper", 1.0)])
def test_scales_each_feature_of_the_input_however_it_is_passed(scale: tuple[str, float]) -> None:
    init, ceiling = scale
    block, adapter = gated(GatingConfig(init))  # type: ignore[arg-type]
    adapter.gate.data = torch.tensor([-2.0, 0.0, 1.0, 30.0])
    x, mask = torch.randn(2, 3, 4), torch.ones(2, 3)
    expected = x * ceiling / (1 + torch.exp(-adapter.gate))
    for output in (block(x, mask), block(x, mask=mask), block(hidden_states=x, mask=mask)):
        torch.testing.assert_close(output[0], expected)
        assert output[1] is mask


def test_detaching_gives_the_block_back() -> None:
    block, adapter = gated(GatingConfig("paper"))
    x = torch.randn(1, 2, 4)
    adapter.detach(block, TRAITS)
    assert torch.equal(block(x)[0], x)


def test_half_precision_stays() -> None:
    block, _ = gated(GatingConfig())
    assert block(torch.ones(1, 4, dtype=torch.bfloat16))[0].dtype == torch.bfloat16


def test_unknown_start_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Valid: identity, paper"):
        GatingConfig("zero")  # type: ignore[arg-type]
