"""Blocks with adapters on the CPU, with gradients, without padding, on matrices laid out for oneDNN.

What is here takes the place of the `forward` of modules of transformers; their hooks and adapters stay.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from sercl.models.encoders.fast.attention import position_gates
from sercl.models.encoders.fast.packed import PackedLinear

Stem = Callable[[Tensor], list[Tensor]]
"""Maps a clip `[samples]` to its hidden states `[frames, dim]` up to the first block that is trained."""


class FrozenLinear:
    """A frozen linear layer: its output, and the gradient of its input.

    Args:
        linear: The layer; its weight is copied twice.
        dtype: Precision of the products: float32 or bfloat16.
    """

    def __init__(self, linear: nn.Linear, dtype: torch.dtype) -> None:
        weight = linear.weight.detach()
        self.dtype = dtype
        self.map = PackedLinear(weight, None if linear.bias is None else linear.bias.detach(), dtype)
        self.back = PackedLinear(weight.T.contiguous(), None, dtype)

    def __call__(self, module: nn.Module, x: Tensor) -> Tensor:
        """Map `[..., in]` to `[..., out]`, of this precision."""
        return self.by_rows(x, lambda rows: _Frozen.apply(rows, self))  # type: ignore[no-untyped-call]

    def by_rows(self, x: Tensor, function: Callable[[Tensor], Any]) -> Tensor:
        """Call a function of `[rows, in]`, of this precision, with `[..., in]`."""
        mapped: Tensor = function(x.to(self.dtype).reshape(-1, x.shape[-1]))
        return mapped.view(*x.shape[:-1], mapped.shape[-1])

    def __deepcopy__(self, memo: object) -> "FrozenLinear":
        return self  # it never changes


class _Frozen(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, layer: FrozenLinear) -> Tensor:
        ctx.layer = layer
        return layer.map(rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None]:
        return ctx.layer.back(gradient.contiguous()), None


_SHORT = 512
"""Frames up to which bfloat16 attention is computed in three steps: at 130 frames, torch 2.11's fused one
takes four times as long on the CPU, forward and backward together; for many frames it saves memory."""


def clip_attention(
    attention: Any,
    hidden_states: Tensor,
    *,
    clips: Sequence[int],
    position_bias: Sequence[Tensor] | None = None,
    **_: Any,
) -> tuple[Any, ...]:
    """Take the place of the forward pass of a self-attention: each clip attends to itself alone.

    Args:
        attention: A module of transformers with `q_proj`, `k_proj`, `v_proj`, `out_proj` and `num_heads`.
        hidden_states: `[1, rows, dim]`, the clips' frames, and perhaps rows that belong to no clip.
        clips: Frames of each clip.
        position_bias: Of WavLM: `[heads, frames, frames]` of each clip, which its gates scale.
    """
    parts = [*clips, hidden_states.shape[1] - sum(clips)]
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    rows = _in_autocast(hidden_states)  # once for all three
    heads = (_heads(projection(rows).squeeze(0), attention.num_heads) for projection in projections)
    each = list(zip(*(own.split_with_sizes(parts, dim=1) for own in heads), strict=True))
    biases: Sequence[Tensor | None] = [None] * len(clips)
    if position_bias is not None:
        gates = position_gates(attention, hidden_states.squeeze(0)).split_with_sizes(parts, dim=1)
        biases = [gate[..., None] * bias for gate, bias in zip(gates, position_bias, strict=False)]
    mixed = [_attend(q, k, v, bias) for (q, k, v), bias in zip(each, biases, strict=False)]
    unused = each[-1][2]  # any values will do
    output = attention.out_proj(torch.cat([*mixed, unused], dim=1).transpose(0, 1).flatten(1)[None])
    return (output, None) if position_bias is None else (output, None, position_bias)


def _in_autocast(x: Tensor) -> Tensor:
    return x.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else x


def _heads(rows: Tensor, count: int) -> Tensor:
    return rows.view(len(rows), count, -1).transpose(0, 1)


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """Attend over `[heads, frames, width]`."""
    if query.dtype != torch.bfloat16 or query.shape[1] > _SHORT:
        bias = None if bias is None else bias.to(query.dtype)[None]
        return F.scaled_dot_product_attention(query[None], key[None], value[None], attn_mask=bias)[0]
    scores = query @ key.transpose(1, 2) * query.shape[-1] ** -0.5
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    mixed: Tensor = scores.softmax(-1) @ value
    return mixed


class Remembered:
    """A function of clips that keeps its results, until a number of bytes is reached.

    A clip is recognised by its samples, so that one which augmentation changes is another one.

    Args:
        stem: The function. Its result for a clip must depend on nothing else.
        most: Bytes that are kept; 0 to keep nothing.
    """

    def __init__(self, stem: Stem, most: int) -> None:
        self._stem, self._left = stem, most
        self._kept: dict[bytes, list[Tensor]] = {}

    def __call__(self, clip: Tensor) -> list[Tensor]:
        """Return the result for `[samples]`; it must not be changed."""
        if not self._left and not self._kept:
            return self._computed(clip)
        key = hashlib.blake2b(clip.contiguous().numpy().data, digest_size=16).digest()
        if (known := self._kept.get(key)) is not None:
            return known
        found = self._computed(clip)
        size = sum(state.numel() * state.element_size() for state in found)
        if size <= self._left:
            self._left -= size
            self._kept[key] = found
        return found

    @torch.no_grad()
    def _computed(self, clip: Tensor) -> list[Tensor]:
        with torch.inference_mode(False):  # else training could not use what validation has computed
            return self._stem(clip.clone())

    def __deepcopy__(self, memo: object) -> "Remembered":
        return self


@contextmanager
def replaced(forwards: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Let modules run by other functions within the context."""
    for module, forward in forwards.items():
        # A bound method: those are remapped when a model is copied.
        setattr(module, "forward", MethodType(forward, module))  # noqa: B010
    try:
        yield
    finally:
        for module in forwards:
            delattr(module, "forward")
