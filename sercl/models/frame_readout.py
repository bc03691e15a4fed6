"""From hidden states to class scores of every frame: standardise, choose layers, look around, score."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sercl.errors import UsageError
from sercl.models.context import build_context
from sercl.models.layer_mix import WeightedSum
from sercl.models.readout import check_layer
from sercl.models.standardize import Standardizer


class FrameReadout(nn.Module):
    """A linear classifier on every frame.

    Args:
        layer: A hidden state 0..N, "last", or "weighted" (learned sum of all).
        num_states: How many hidden states there are, N + 1.
        dim: Width of a hidden state.
        classes: Number of classes.
        context: Name of a context layer, see `sercl.models.context`.
        dropout: Dropout probability in front of the classifier, 0 to below 1.
        bias: Whether the classifier has a bias.
        standardize: Whether features are standardised by statistics of training frames.

    Raises:
        UsageError: For a layer that does not exist, "auto", or a dropout out of its range.

    Attributes:
        layer: The layer choice, with "last" resolved to its number.
        states: The hidden states that are read.
    """

    def __init__(
        self,
        layer: int | str,
        num_states: int,
        dim: int,
        classes: int,
        context: str = "none",
        dropout: float = 0.0,
        bias: bool = True,
        standardize: bool = True,
    ) -> None:
        super().__init__()
        self.layer = chosen = _frame_layer(layer, num_states)
        if not 0 <= dropout < 1:
            raise UsageError(f"dropout {dropout}: valid: 0 <= dropout < 1.")
        self.states = list(range(num_states)) if isinstance(chosen, str) else [chosen]
        self.standardizer = Standardizer((len(self.states), dim)) if standardize else None
        self.mix = WeightedSum(num_states) if chosen == "weighted" else None
        self.context = build_context(context, dim)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.context.out_dim, classes, bias=bias)

    @property
    def chosen_state(self) -> int | None:
        """Hidden state that is read; None for a weighted sum of all."""
        return None if self.mix is not None else self.states[0]

    def select(self, hidden_states: Sequence[Tensor], frames: int) -> Tensor:
        """Return what is read of the hidden states, `[batch, frames, len(states), dim]` float32.

        Args:
            hidden_states: N + 1 tensors `[batch, frames or more, dim]`.
            frames: Frames of the longest clip; an encoder may give more.
        """
        return torch.stack([hidden_states[i][:, :frames] for i in self.states], dim=2).float()

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return logits `[batch, frames, classes]` of `select`ed hidden states.

        Args:
            features: `[batch, frames, len(states), dim]`.
            lengths: `[batch]` valid frames.
        """
        if self.standardizer is not None:
            features = self.standardizer(features)
        frames = self.mix(features.unbind(dim=2)) if self.mix is not None else features[:, :, 0]
        logits: Tensor = self.classifier(self.dropout(self.context(frames, lengths)))
        return logits


def _frame_layer(layer: int | str, num_states: int) -> int | str:
    if layer == "auto":
        raise UsageError(
            f"layer 'auto' is for whole utterances. Valid here: a hidden state 0 to {num_states - 1}, "
            "'last', 'weighted'."
        )
    return check_layer(layer, num_states)
