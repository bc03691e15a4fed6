"""Collecting hidden states by hooks, whatever a block returns."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def collect_states(blocks: nn.ModuleList, skipped: Collection[int] = ()) -> Iterator[list[Tensor]]:
    """Collect the input of the first block and the output of each block of the forward pass inside.

    The hooks exist only within the context, so that a block recomputed in the backward pass collects nothing.
    Ours is the first pre-hook and the last output hook of a block: an adapter that scales a block's input by
    a pre-hook does not change hidden state 0, one that changes a block's output changes the hidden state.

    A skipped block (LayerDrop) gives what came into it, in front of adapters: N blocks have N + 1 hidden
    states, and those on both sides of it are equal. It runs all the same, so that its weights have a gradient
    of zero: the processes of distributed training wait for one of every weight.

    Args:
        blocks: The transformer blocks.
        skipped: Places of those that are skipped in this pass.

    Yields:
        A list that holds `len(blocks) + 1` tensors `[batch, frames, dim]` after the forward pass.
    """
    states: list[Tensor] = []

    def take_input(block: nn.Module, args: tuple[Tensor, ...]) -> None:
        states.append(args[0])

    def take_output(block: nn.Module, args: Any, output: Tensor | tuple[Tensor, ...]) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        if len(states) - 1 not in skipped:
            states.append(hidden)
            return None
        states.append(torch.where(torch.zeros_like(hidden, dtype=torch.bool), hidden, states[-1]))
        return (states[-1], *output[1:]) if isinstance(output, tuple) else states[-1]

    with ExitStack() as hooks:
        hooks.enter_context(blocks[0].register_forward_pre_hook(take_input, prepend=True))
        for block in blocks:
            hooks.enter_context(block.register_forward_hook(take_output))
        yield states
