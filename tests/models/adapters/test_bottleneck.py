import pytest
import torch
from torch import Tensor, nn

from sercl.errors import UnknownNameError, UsageError
from sercl.models.adapters.bottleneck.config import BottleneckConfig
from sercl.models.adapters.bottleneck.layer import BottleneckAdapter
from sercl.models.encoders import FamilyTraits

TRAITS = FamilyTraits(block_linears=("inner",), feed_forward="inner")


class Block(nn.Module):
    """A feed-forward of which the double comes out, so that the place of the adapter shows."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + 2 * self.inner(hidden)


def test_changes_the_feed_forwards_output_by_the_formula() -> None:
    block, adapter, x = Block(), BottleneckAdapter(8, BottleneckConfig(4, "paper")), torch.randn(2, 3, 8)
    adapter.attach(block, TRAITS)
    inside = block.inner.weight @ x.unsqueeze(-1) + block.inner.bias.unsqueeze(-1)
    small = (adapter.down.weight @ inside + adapter.down.bias.unsqueeze(-1)).clamp(min=0)
    change = (adapter.up.weight @ small).squeeze(-1) + adapter.up.bias
    torch.testing.assert_close(block(x), x + 2 * (inside.squeeze(-1) + change))


def test_detaching_gives_the_block_back() -> None:
    block, adapter, x = Block(), BottleneckAdapter(8, BottleneckConfig(2, "paper")), torch.randn(2, 3, 8)
    before = block(x)
    adapter.attach(block, TRAITS)
    assert not torch.equal(block(x), before)
    adapter.detach(block, TRAITS)
    assert torch.equal(block(x), before)


def test_half_precision_stays() -> None:
    block, adapter = Block().bfloat16(), BottleneckAdapter(8, BottleneckConfig(2))
    adapter.attach(block, TRAITS)
    assert block(torch.randn(1, 8, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize(("width", "inner"), [(768, 48), (1024, 64), (100, 6)])
def test_width_is_divided_by_the_reduction(width: int, inner: int) -> None:
    assert BottleneckAdapter(width, BottleneckConfig()).down.weight.shape == (inner, width)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(UsageError, match="reduction 0"):
        BottleneckConfig(reduction=0)
    with pytest.raises(UsageError, match="valid: 1 to 8"):
        BottleneckAdapter(8, BottleneckConfig())
    with pytest.raises(UnknownNameError, match="Did you mean 'identity'"):
        BottleneckConfig(init="identiy")  # type: ignore[arg-type]
