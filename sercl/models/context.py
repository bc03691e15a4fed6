"""Layers that let a frame see its neighbours, between the encoder and a frame classifier."""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sercl.errors import UnknownNameError
from sercl.models.pooling import frame_mask

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
