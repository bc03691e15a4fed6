"""Collecting hidden states by hooks, whatever a block returns."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def collect_states(blocks: nn.ModuleList) -> Iterator[list[Tensor]]:
    """Collect the input of the first block and the output of each block of the forward pass inside.

    The hooks exist only within the context, so that a block recomputed in the backward pass collects nothing.
    Ours is the first pre-hook and the last output hook of a block: an adapter that scales a block's input by
    a pre-hook does not change hidden state 0, one that changes a block's output changes the hidden state.

    Yields:
        A list that holds `len(blocks) + 1` tensors `[batch, frames, dim]` after the forward pass.
    """
    states: list[Tensor] = []

    def take_input(block: nn.Module, args: tuple[Tensor, ...]) -> None:
        states.append(args[0])

    def take_output(block: nn.Module, args: Any, output: Tensor | tuple[Tensor, ...]) -> None:
        states.append(output[0] if isinstance(output, tuple) else output)

    with ExitStack() as hooks:
        hooks.enter_context(blocks[0].register_forward_pre_hook(take_input, prepend=True))
        for block in blocks:
            hooks.enter_context(block.register_forward_hook(take_output))
        yield states
