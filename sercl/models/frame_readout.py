"""From hidden states to class scores of every frame: standardise, choose layers, look around, score."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sercl.errors import UnknownNameError, UsageError
from sercl.models.pooling import frame_mask
from sercl.models.readout import WeightedSum, check_layer
from sercl.models.standardize import Standardizer

_WIDTH = 128
_KERNEL = 9
_DILATIONS = (1, 3, 6)


class Context(nn.Module):
    """Base of the context layers: `forward(hidden [batch, frames, dim], lengths [batch])` -> `out_dim` wide.

    A padded batch gives what each clip alone gives.

    Attributes:
        out_dim: Width of a frame that comes out.
    """

    def __init__(self, out_dim: int) -> None:
        super().__init__()
        self.out_dim = out_dim


class NoContext(Context):
    """Frames as they are."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Return `hidden`, `[batch, frames, dim]`."""
        return hidden


class ConvContext(Context):
    """Three dilated convolutions over time, which see 40 frames (0.8 s) on each side.

    Args:
        dim: Width of a frame.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(_WIDTH)
        widths = (dim, *[_WIDTH] * len(_DILATIONS))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, _WIDTH, _KERNEL, padding=(_KERNEL - 1) // 2 * dilation, dilation=dilation)
            for before, dilation in zip(widths, _DILATIONS, strict=False)
        )

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Return `[batch, frames, out_dim]`; frames beyond a row's length are zero."""
        padding = ~frame_mask(hidden, lengths)[:, None, :]
        frames = hidden.transpose(1, 2).masked_fill(padding, 0.0)
        for convolution in self.convolutions:
            frames = torch.relu(convolution(frames)).masked_fill(padding, 0.0)
        return frames.transpose(1, 2)


class GruContext(Context):
    """A bidirectional GRU over time.

    Args:
        dim: Width of a frame.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(_WIDTH)
        self.gru = nn.GRU(dim, _WIDTH // 2, batch_first=True, bidirectional=True)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Return `[batch, frames, out_dim]`; frames beyond a row's length are zero."""
        packed = pack_padded_sequence(hidden, lengths.cpu(), batch_first=True, enforce_sorted=False)
        frames, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=hidden.shape[1])
        return frames


CONTEXTS: Mapping[str, type[NoContext | ConvContext | GruContext]] = MappingProxyType(
    {"none": NoContext, "conv": ConvContext, "gru": GruContext}
)
"""Every context layer by its name."""


def build_context(name: str, dim: int) -> Context:
    """Build a context layer.

    Args:
        name: "none", "conv" or "gru".
        dim: Width of a frame.

    Raises:
        UnknownNameError: For another name.
    """
    if name not in CONTEXTS:
        raise UnknownNameError("context", name, CONTEXTS)
    return CONTEXTS[name](dim)


class FrameReadout(nn.Module):
    """A linear classifier on every frame.

    Args:
        layer: A hidden state 0..N, "last", or "weighted" (learned sum of all).
        num_states: How many hidden states there are, N + 1.
        dim: Width of a hidden state.
        classes: Number of classes.
        context: Name of a context layer, see `sercl.models.frame_readout`.
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
