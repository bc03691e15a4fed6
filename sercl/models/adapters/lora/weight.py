"""LoRA on a linear layer whose weight is read and which is never called."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class WeightLora(nn.Module):
    """A linear layer whose `weight` is `W + (alpha / rank) B A`.

    WavLM's attention hands the raw weights of its projections to `multi_head_attention_forward`, so that a
    wrapper around the module's call, as peft makes, never takes effect. Here reading `.weight` does it.
    Dropout falls on the columns of A: an input feature of the update is dropped for all frames of a step
    alike, where peft draws anew for each frame.

    Args:
        base_layer: The frozen layer.
        rank: Rank of the update.
        alpha: The update is scaled by alpha / rank.
        dropout: Probability with which an input feature of the update is dropped in training.
    """

    def __init__(self, base_layer: nn.Linear, rank: int, alpha: float, dropout: float) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.lora_A = nn.Parameter(torch.empty(rank, base_layer.in_features))
        self.lora_B = nn.Parameter(torch.zeros(base_layer.out_features, rank))
        self.scaling = alpha / rank
        self.dropout = nn.Dropout(dropout)
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))  # as nn.Linear and peft do

    @property
    def weight(self) -> Tensor:
        """The adapted weight, `[out_features, in_features]`."""
        kept = self.dropout(torch.ones_like(self.lora_A[0]))
        return self.base_layer.weight + self._update(self.lora_A * kept)

    @property
    def bias(self) -> Tensor | None:
        """The frozen bias, `[out_features]`."""
        return self.base_layer.bias

    def forward(self, x: Tensor) -> Tensor:
        """Apply the adapted layer to `[..., in_features]`."""
        return F.linear(x, self.weight, self.bias)

    @torch.no_grad()
    def merge(self) -> nn.Linear:
        """Add the update to the base layer's weight and return that layer."""
        self.base_layer.weight += self._update(self.lora_A)
        return self.base_layer

    def _update(self, rows: Tensor) -> Tensor:
        return (self.scaling * (self.lora_B @ rows)).to(self.base_layer.weight.dtype)
