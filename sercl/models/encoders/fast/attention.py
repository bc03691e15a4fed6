"""Self-attention over the concatenated frames of several clips, without gradients."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sercl.models.encoders.fast.packed import PackedLinear

_KEYS = 16
"""torch 2.11 takes up to twice the time for bfloat16 attention over frames that are no multiple of this."""


class SelfAttention:
    """Queries, keys and values in one product; then each clip attends to itself alone, without a mask.

    Args:
        attention: A module of transformers with `q_proj`, `k_proj`, `v_proj`, `out_proj` and `num_heads`.
        dtype: Precision of all products.
    """

    def __init__(self, attention: Any, dtype: torch.dtype) -> None:
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        weight = torch.cat([projection.weight for projection in projections])
        self._project = PackedLinear(weight, torch.cat([_bias(each) for each in projections]), dtype)
        self._out = PackedLinear(attention.out_proj.weight, attention.out_proj.bias, dtype)
        self._heads = attention.num_heads

    def __call__(self, rows: Tensor, lengths: Sequence[int], positions: Sequence[Tensor]) -> Tensor:
        """Map `[rows, dim]` to the same shape.

        Args:
            rows: The clips' frames, and perhaps rows after them that belong to no clip.
            lengths: Frames of each clip.
            positions: For `GatedAttention`.
        """
        projected, total = self._project(rows), sum(lengths)
        clips = projected[:total].split_with_sizes(list(lengths))
        biases = self._biases(rows[:total], lengths, positions)
        attended = [self._attend(*pair) for pair in zip(clips, biases, strict=True)]
        unused = projected[total:, : attended[0].shape[1]]  # any values will do
        return self._out(torch.cat([*attended, unused]))

    def _biases(
        self, rows: Tensor, lengths: Sequence[int], positions: Sequence[Tensor]
    ) -> Sequence[Tensor | None]:
        return [None] * len(lengths)

    def _attend(self, clip: Tensor, bias: Tensor | None) -> Tensor:
        frames = len(clip)
        if bias is None and clip.dtype == torch.bfloat16 and frames % _KEYS:
            clip = F.pad(clip, (0, 0, 0, -frames % _KEYS))
            bias = clip.new_zeros(1, 1, 1, len(clip))
            bias[..., frames:] = -torch.inf
        query, key, value = clip.view(1, len(clip), 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        return mixed.transpose(1, 2).flatten(2)[0, :frames]


class GatedAttention(SelfAttention):
    """WavLM's: a relative position bias, scaled for each frame and head by a gate, is added to the scores.

    `positions` holds `[heads, frames, frames]` for each clip, from `position_bias`.
    """

    def __init__(self, attention: Any, dtype: torch.dtype) -> None:
        super().__init__(attention, dtype)
        gate = attention.gru_rel_pos_linear  # 8 outputs, summed in groups of four
        self._gate_weight = gate.weight.view(2, 4, -1).sum(1)
        self._gate_bias = gate.bias.view(2, 4).sum(1)
        self._constant = attention.gru_rel_pos_const.view(-1)

    def _biases(self, rows: Tensor, lengths: Sequence[int], positions: Sequence[Tensor]) -> Sequence[Tensor]:
        heads = rows.float().view(len(rows), self._heads, -1)
        first, second = F.linear(heads, self._gate_weight, self._gate_bias).sigmoid().unbind(-1)
        gates = first * (second * self._constant - 1.0) + 2.0
        return [
            (gate.T[..., None] * bias)[None].to(rows.dtype)
            for gate, bias in zip(gates.split_with_sizes(list(lengths)), positions, strict=True)
        ]


def position_gates(attention: Any, rows: Tensor) -> Tensor:
    """Return the factors of WavLM's position bias for frames `[..., frames, dim]`, `[..., heads, frames]`."""
    heads = rows.view(*rows.shape[:-1], attention.num_heads, -1).transpose(-3, -2)
    sums: Tensor = attention.gru_rel_pos_linear(heads)
    first, second = sums.view(*sums.shape[:-1], 2, 4).sum(-1).sigmoid().unbind(-1)
    gates: Tensor = first * (second * attention.gru_rel_pos_const[0, :, 0] - 1.0) + 2.0
    return gates


def position_bias(attention: Any, lengths: Sequence[int]) -> list[Tensor]:
    """Return WavLM's position bias `[heads, frames, frames]` for each of `lengths`, from the first block."""
    once = {frames: attention.compute_bias(frames, frames) for frames in set(lengths)}
    return [once[frames] for frames in lengths]


def _bias(projection: nn.Linear) -> Tensor:
    return projection.weight.new_zeros(len(projection.weight)) if projection.bias is None else projection.bias
