"""LoRA in training on the CPU: one function for the frozen layer and its update, and cheap dropout."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from sercl.models.encoders.fast.packed import product
from sercl.models.encoders.fast.trained import FrozenLinear

_LEVELS = 2**16


def draw_kept(rows: int, width: int, rate: float) -> tuple[Tensor, float]:
    """Draw which inputs dropout keeps.

    torch draws one number after the other on processors that are not Intel's, which takes eight times as
    long. The draw depends on the state of torch's generator alone, and changes it.

    Args:
        rows: Number of vectors.
        width: Their width.
        rate: Probability with which an input is dropped; it is rounded to a multiple of 1 / 65536.

    Returns:
        `[rows, width]` uint8, 1 where an input is kept (a product with bool takes several times as long), and
        the probability of that.
    """
    dropped = round(rate * _LEVELS)
    seed = int(torch.randint(2**63 - 1, ()))
    whole = np.iinfo(np.uint64)
    # Four numbers of 16 bits each: numpy draws such numbers one by one, which takes twice as long.
    draws = np.random.Generator(np.random.SFC64(seed)).integers(
        whole.min, whole.max, -(-rows * width // 4), dtype=np.uint64, endpoint=True
    )
    kept = draws.view(np.uint16)[: rows * width].reshape(rows, width) >= dropped
    return torch.from_numpy(kept.view(np.uint8)), 1 - dropped / _LEVELS


class QuickLora:
    """The forward pass of a LoRA layer of peft, or of `WeightLora`.

    Args:
        base: The frozen layer.
        dtype: Precision of the products.
    """

    def __init__(self, base: nn.Linear, dtype: torch.dtype) -> None:
        self._frozen = FrozenLinear(base, dtype)

    def __call__(self, layer: Any, x: Tensor) -> Tensor:
        """Map `[..., in]` to `[..., out]`, of this precision."""
        if isinstance(layer.lora_A, nn.Parameter):  # `WeightLora`, whose dropout is over columns
            kept = layer.dropout(torch.ones_like(layer.lora_A[0]))
            return self._map(x, layer.lora_A * kept, layer.lora_B, layer.scaling, 0.0)
        down, up = (each["default"].weight for each in (layer.lora_A, layer.lora_B))
        dropout = layer.lora_dropout["default"]
        rate = dropout.p if isinstance(dropout, nn.Dropout) and dropout.training else 0.0
        return self._map(x, down, up, layer.scaling["default"], rate)

    def _map(self, x: Tensor, down: Tensor, up: Tensor, scaling: float, rate: float) -> Tensor:
        kept, chance = draw_kept(x.numel() // x.shape[-1], x.shape[-1], rate) if rate else (None, 1.0)
        more = (down, up, self._frozen, scaling / chance, kept)
        return self._frozen.by_rows(x, lambda rows: _Updated.apply(rows, *more))  # type: ignore[no-untyped-call]


class _Updated(torch.autograd.Function):
    """`W x + b + scaling B A (x * kept)` of rows x."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        down: Tensor,
        up: Tensor,
        frozen: FrozenLinear,
        scaling: float,
        kept: Tensor | None,
    ) -> Tensor:
        down, up = down.to(frozen.dtype), (up * scaling).to(frozen.dtype)
        inner = product(rows if kept is None else rows * kept, down)
        ctx.save_for_backward(rows, kept, inner, down, up)
        ctx.frozen, ctx.scaling = frozen, scaling
        return frozen.map(rows).add_(product(inner, up))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, kept, inner, down, up = ctx.saved_tensors
        gradient = gradient.contiguous()
        of_inner = product(gradient, up.T.contiguous())
        of_down = of_inner.T @ (rows if kept is None else rows * kept)
        of_up = (inner.T @ gradient).T.float() * ctx.scaling
        of_rows = None
        if ctx.needs_input_grad[0]:
            update = product(of_inner, down.T.contiguous())
            of_rows = ctx.frozen.back(gradient).add_(update if kept is None else update.mul_(kept))
        return of_rows, of_down.float(), of_up, None, None, None
