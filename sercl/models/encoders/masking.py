"""Masking of padded frames, so that results do not depend on padding, and the masks of SpecAugment."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """Return `[batch, frames]` bool, true at positions below each row's length.

    Args:
        lengths: `[batch]` integers.
        frames: Padded length.
    """
    return torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None]


class MaskedGroupNorm(nn.GroupNorm):
    """A group norm whose statistics are over each row's valid frames only.

    It has the parameters and the state-dict keys of the `nn.GroupNorm` that it replaces. Frames beyond a
    row's length become zero.
    """

    _lengths: list[int] | None = None

    @classmethod
    def replacing(cls, norm: nn.GroupNorm) -> Self:
        """Return a masked norm that shares the parameters of `norm`."""
        masked = cls(norm.num_groups, norm.num_channels, norm.eps, norm.affine, device="meta")
        masked.weight, masked.bias = norm.weight, norm.bias
        return masked.train(norm.training)

    @contextmanager
    def over(self, lengths: list[int]) -> Iterator[None]:
        """Use `lengths` (valid frames per row, each at least 1) for forward passes in this context."""
        self._lengths = lengths
        try:
            yield
        finally:
            self._lengths = None

    def forward(self, input: Tensor) -> Tensor:
        """Normalise `[batch, channels, frames]`, over all frames outside of `over`."""
        if self._lengths is None or min(self._lengths) == input.shape[-1]:
            return super().forward(input)
        # Row by row: the same kernel on the same numbers as for the clip alone.
        rows = [self._row(row[None], length) for row, length in zip(input, self._lengths, strict=True)]
        return torch.cat(rows)

    def _row(self, row: Tensor, length: int) -> Tensor:
        return F.pad(super().forward(row[..., :length]), (0, row.shape[-1] - length))


@contextmanager
def masked_inputs(convolutions: Iterable[nn.Module], mask: Tensor) -> Iterator[None]:
    """Zero the frames beyond each row's length in the input of every convolution in `convolutions`.

    A convolution zero-pads the end of a single clip; without this, earlier layers (a norm, a bias, another
    convolution) would leave other values there.

    Args:
        convolutions: Modules whose first input is `[batch, channels, frames]`.
        mask: `[batch, frames]` bool.
    """

    def zero(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (args[0].masked_fill(~mask[:, None, :], 0.0), *args[1:])

    with ExitStack() as hooks:
        for convolution in convolutions:
            hooks.enter_context(convolution.register_forward_pre_hook(zero))
        yield


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> tuple[int, int]:
    """Return the receptive field of one frame, and the stride between frames, in samples."""
    field, hop = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * hop
        hop *= stride
    return field, hop


@dataclass(frozen=True)
class SpanMasks:
    """How much of an axis is masked.

    Attributes:
        share: Upper bound of the masked fraction, 0 to 1: spans may overlap.
        length: Positions in a span.
        least: Minimum number of spans, if `share` is above 0 and they fit.
    """

    share: float = 0.0
    length: int = 10
    least: int = 0


NO_MASKS = SpanMasks()


def draw_spans(lengths: Sequence[int], size: int, masks: SpanMasks) -> Tensor:
    """Draw which positions are masked.

    A row that is shorter than a span is not masked, and neither are positions beyond a row's length.

    Args:
        lengths: Valid positions per row.
        size: Padded length.
        masks: How much is masked.

    Returns:
        `[rows, size]` bool, on the CPU.
    """
    chosen = torch.zeros(len(lengths), size, dtype=torch.bool)
    if masks.share > 0:
        for row, length in zip(chosen, lengths, strict=True):
            starts = max(0, length - masks.length + 1)
            wanted = int(masks.share * length / masks.length + float(torch.rand(())))
            count = min(max(wanted, masks.least), length // masks.length, starts)
            for start in torch.randperm(starts)[:count].tolist():
                row[start : start + masks.length] = True
    return chosen


def spec_augment(
    hidden: Tensor, lengths: Sequence[int], time: SpanMasks, features: SpanMasks, filling: Tensor
) -> Tensor:
    """Mask spans of valid frames, and spans of features.

    Args:
        hidden: `[batch, frames, dim]`.
        lengths: Valid frames per row.
        time: How many frames are masked.
        features: How many features.
        filling: `[dim]` or `[]`, the value of masked frames; masked features are zero.
    """
    frames = draw_spans(lengths, hidden.shape[1], time).to(hidden.device)
    hidden = torch.where(frames[:, :, None], filling.to(hidden), hidden)
    columns = draw_spans([hidden.shape[2]] * len(hidden), hidden.shape[2], features).to(hidden.device)
    return hidden.masked_fill(columns[:, None, :], 0.0)


@contextmanager
def changed_output(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Pass the (first) output of a module through a function within the context."""

    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
