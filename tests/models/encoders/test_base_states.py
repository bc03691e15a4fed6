import pytest
import torch
from torch import nn

from sercl.models.encoders.base import collect_states


class TupleBlock(nn.Linear):
    def forward(self, input):
        return super().forward(input), None


def run(blocks, inputs):
    for block in blocks:
        out = block(inputs)
        inputs = out[0] if isinstance(out, tuple) else out
    return inputs


@pytest.mark.parametrize("kind", [nn.Linear, TupleBlock])
def test_it_collects_the_first_input_and_every_output(kind):
    blocks, inputs = nn.ModuleList(kind(4, 4) for _ in range(3)), torch.randn(2, 5, 4)
    with collect_states(blocks) as states:
        last = run(blocks, inputs)
    assert len(states) == 4
    assert states[0] is inputs
    assert states[3] is last


def test_state_0_is_taken_before_and_outputs_after_what_adapters_do():
    blocks, inputs = nn.ModuleList([nn.Identity(), nn.Identity()]), torch.ones(1, 1, 2)
    blocks[0].register_forward_pre_hook(lambda block, args: (args[0] * 2,))
    blocks[0].register_forward_hook(lambda block, args, output: output + 10)
    with collect_states(blocks) as states:
        run(blocks, inputs)
    assert [state[0, 0, 0].item() for state in states] == [1, 12, 12]


def test_no_hook_outlives_the_context_even_after_an_error():
    blocks = nn.ModuleList([nn.Identity()])
    with pytest.raises(ZeroDivisionError), collect_states(blocks):
        raise ZeroDivisionError
    assert not blocks[0]._forward_hooks
    assert not blocks[0]._forward_pre_hooks
