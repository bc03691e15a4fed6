import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sercl.models.adapters.lora import quick
from sercl.models.adapters.lora.quick import draw_kept
from sercl.models.encoders.fast.packed import supported
from sercl.models.encoders.fast.trained import FrozenLinear

needs_onednn = pytest.mark.skipif(not supported(torch.float32), reason="needs oneDNN on x86-64")


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_at_its_rate_and_says_what_it_keeps(rate):
    torch.manual_seed(0)
    kept, chance = draw_kept(2_000, 100, rate)
    assert kept.shape == (2_000, 100)
    assert set(kept.unique().tolist()) == {0, 1}
    assert chance == pytest.approx(1 - rate, abs=2**-16)
    assert kept.float().mean().item() == pytest.approx(1 - rate, abs=5e-3)
    columns = kept.float().mean(0)
    assert (columns - (1 - rate)).abs().max() < 0.06


def test_a_draw_is_that_of_the_generators_state_and_changes_it():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first, second = draw_kept(4, 8, 0.5)[0], draw_kept(4, 8, 0.5)[0]
    torch.set_rng_state(state)
    assert torch.equal(draw_kept(4, 8, 0.5)[0], first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("width", [1, 7, 8])
def test_the_draw_is_that_of_numpys_single_numbers(width):
    """Trainings from before the numbers were drawn four at a time stay what they were."""
    torch.manual_seed(0)
    seed = int(torch.randint(2**63 - 1, ()))
    single = np.random.Generator(np.random.SFC64(seed)).integers(0, 2**16, (5, width), dtype=np.uint16)
    torch.manual_seed(0)
    kept, _ = draw_kept(5, width, 0.5)
    assert kept.tolist() == (single >= 2**15).astype(int).tolist()


@needs_onednn
@pytest.mark.parametrize("drops", [True, False])
def test_an_update_and_its_gradients_are_those_of_autograd(drops):
    torch.manual_seed(0)
    base = nn.Linear(24, 16).requires_grad_(False)
    values = (torch.randn(50, 24), torch.randn(4, 24), torch.randn(16, 4))
    kept = (torch.rand(50, 24) < 0.7).to(torch.uint8) if drops else None
    mask = 1 if kept is None else kept
    probe = torch.randn(50, 16)

    def gradients(function):
        leaves = [value.clone().requires_grad_() for value in values]
        output = function(*leaves)
        (output * probe).sum().backward()
        return [output.detach(), *(leaf.grad for leaf in leaves)]

    frozen = FrozenLinear(base, torch.float32)
    expected = gradients(lambda x, a, b: base(x) + 1.7 * F.linear(F.linear(x * mask, a), b))
    ours = gradients(lambda x, a, b: quick._Updated.apply(x, a, b, frozen, 1.7, kept))
    for own, reference in zip(ours, expected, strict=True):
        torch.testing.assert_close(own, reference, atol=1e-4, rtol=1e-4)
