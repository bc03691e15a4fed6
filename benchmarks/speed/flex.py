"""WavLM's attention by `flex_attention`: the position bias is looked up per score, never stored as a matrix.

Transformers adds `gate[b, h, q] * bias[h, q, k]` as a mask `[batch * heads, frames, frames]` and asks for the
attention weights, which rules fused kernels out. The bias depends on `k - q` alone, so a table
`[heads, 2 * frames - 1]` holds all of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention

from sercl.models.encoders import Encoder
from sercl.models.encoders.fast.attention import position_gates

Attention = Callable[..., Tensor]


@contextmanager
def flexible(encoder: Encoder, compiled: bool) -> Iterator[None]:
    """Let the blocks of a WavLM attend by `flex_attention`, without gradients.

    Args:
        encoder: A WavLM without adapters.
        compiled: Whether the kernel is generated, as it must be to be fast; needs a GPU.
    """
    attend: Attention = torch.compile(flex_attention, dynamic=False) if compiled else flex_attention
    layers = [block.attention for block in encoder.blocks]
    try:
        for layer in layers:
            layer.forward = _forward_of(layer, attend)
        yield
    finally:
        for layer in layers:
            del layer.forward


def table_of(attention: Any, frames: int) -> Tensor:
    """Return the bias of each distance `k - q` from `1 - frames` to `frames - 1`, `[heads, 2 * frames - 1]`.

    Args:
        attention: That of the first block, which has the embedding of distances.
        frames: Number of frames.
    """
    distances = torch.arange(1 - frames, frames, device=attention.rel_attn_embed.weight.device)
    table: Tensor = attention.rel_attn_embed(attention._relative_positions_bucket(distances)).T
    return table.contiguous()


def _forward_of(attention: Any, attend: Attention) -> Callable[..., tuple[Tensor, None, Tensor]]:
    def forward(
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        position_bias: Tensor | None = None,
        **_: Any,
    ) -> tuple[Tensor, None, Tensor]:
        frames = hidden_states.shape[1]
        table = table_of(attention, frames) if position_bias is None else position_bias
        gates = position_gates(attention, hidden_states)
        valid = (
            hidden_states.new_ones(hidden_states.shape[:2], dtype=torch.bool)
            if attention_mask is None
            else attention_mask.eq(1)
        )

        def biased(score: Tensor, clip: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            bias = gates[clip, head, query] * table[head, key - query + frames - 1]
            return torch.where(valid[clip, key], score + bias, -torch.inf)

        query, key, value = (
            projection(hidden_states).unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
            for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        mixed = attend(query, key, value, score_mod=biased)
        return attention.out_proj(mixed.transpose(1, 2).flatten(2)), None, table

    return forward
