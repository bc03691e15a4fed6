"""From pooled hidden states to class scores: which layer is read, standardised how, by which head."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sercl.errors import UsageError
from sercl.models.heads import build_head
from sercl.models.standardize import Standardizer


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


LAYER_WORDS = ("last", "weighted", "auto")


def check_layer(layer: int | str, num_states: int) -> int | str:
    """Return the layer choice with "last" resolved to its number.

    Args:
        layer: Hidden state 0..N (0 = input of block 1, k = output of block k), "last", "weighted" (learned
            sum of all) or "auto" (one head per hidden state, the best on validation data is used).
        num_states: N + 1.

    Raises:
        UsageError: For a number out of range or another word.
    """
    if layer == "last":
        return num_states - 1
    if layer in LAYER_WORDS:
        return layer
    if isinstance(layer, int) and 0 <= layer < num_states:
        return layer
    raise UsageError(
        f"layer {layer!r} does not exist. Valid: a hidden state 0 to {num_states - 1}, "
        f"{', '.join(repr(word) for word in LAYER_WORDS)}."
    )


class Readout(nn.Module):
    """Standardise pooled hidden states, choose or mix layers, and score the classes.

    Args:
        layer: As in `check_layer`, already resolved.
        num_states: How many hidden states come in.
        dim: Size of a pooled hidden state.
        classes: Number of classes.
        head: Name of the head, see `sercl.models.heads`.
        dropout: Dropout probability in front of the head.
        standardize: Whether features are standardised by statistics of the training set.
    """

    chosen: Tensor

    def __init__(
        self,
        layer: int | str,
        num_states: int,
        dim: int,
        classes: int,
        head: str = "linear",
        dropout: float = 0.0,
        standardize: bool = True,
    ) -> None:
        super().__init__()
        self.layer = layer
        self.states = list(range(num_states)) if isinstance(layer, str) else [layer]
        self.standardizer = Standardizer((len(self.states), dim)) if standardize else None
        self.mix = WeightedSum(num_states) if layer == "weighted" else None
        first = build_head(head, dim, classes, dropout)
        # Every layer's head starts from the same weights, so that layers differ by what they hold alone.
        copies = len(self.states) if layer == "auto" else 1
        self.heads = nn.ModuleList([first, *(copy.deepcopy(first) for _ in range(copies - 1))])
        self.register_buffer("chosen", torch.tensor(0, dtype=torch.int64))

    def select(self, features: Tensor) -> Tensor:
        """Return what is read: `[batch, states, dim]` -> `[batch, len(self.states), dim]`."""
        return features if len(self.states) == features.shape[1] else features[:, self.states]

    def forward(self, features: Tensor) -> Tensor:
        """Score every candidate layer.

        Args:
            features: `[batch, len(self.states), dim]` pooled hidden states.

        Returns:
            Logits `[batch, heads, classes]`; one head, or one for each hidden state in "auto".
        """
        return self.score(self.prepare(features))

    def prepare(self, features: Tensor) -> Tensor:
        """Return what the heads read, `[batch, heads, dim]`: pooled hidden states, standardised and mixed."""
        if self.standardizer is not None:
            features = self.standardizer(features)
        if self.mix is not None:
            features = self.mix(features.unbind(dim=1)).unsqueeze(1)
        return features

    def score(self, prepared: Tensor) -> Tensor:
        """Return logits `[batch, heads, classes]` from what `prepare` returns."""
        return torch.stack([head(prepared[:, i]) for i, head in enumerate(self.heads)], dim=1)

    def choose(self, logits: Tensor) -> Tensor:
        """Return the logits of the chosen layer: `[batch, heads, classes]` -> `[batch, classes]`."""
        return logits[:, int(self.chosen)]

    @property
    def chosen_state(self) -> int | None:
        """Hidden state that predictions come from; None for a weighted sum of all."""
        return None if self.layer == "weighted" else self.states[int(self.chosen)]
