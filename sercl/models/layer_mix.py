"""A learned weighted sum of hidden states, as in SUPERB (Yang et al. 2021, section 3)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class WeightedSum(nn.Module):
    """Sum hidden states with weights that are positive, sum to one and are trained.

    Args:
        num_states: Number of hidden states (blocks + 1). All start with the same weight.
    """

    def __init__(self, num_states: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(num_states))

    @property
    def weights(self) -> Tensor:
        """The weight of each hidden state, `[states]`: the softmax of the trained scores."""
        return self.scores.softmax(dim=0)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Sum `states`, each of one shape (`[batch, frames, dim]` or `[batch, dim]`), into that shape.

        Raises:
            ValueError: Where there are more or fewer than `num_states`.
        """
        total = torch.zeros_like(states[0])
        for weight, state in zip(self.weights, states, strict=True):
            total = total + weight * state
        return total
