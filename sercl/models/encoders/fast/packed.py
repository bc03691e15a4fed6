"""Linear layers and convolutions whose weights are laid out once for oneDNN, with GELU inside.

The plain modules rearrange their weights, and often their input, on every call, and write their output to
memory once more for the activation. torch's own compiler emits the operators used here; they have no public
names, so `supported` checks whether this build of torch has them.
"""

import platform
from collections.abc import Sequence
from itertools import chain
from typing import overload

import torch
from torch import Tensor

_STEP = 32


def join(clips: Sequence[Tensor]) -> Tensor:
    """Concatenate clips `[frames, dim]`, padded with zeros to a multiple of 32 rows.

    oneDNN compiles code for each new number of rows, which in bfloat16 takes as long as running it.
    """
    rows = sum(map(len, clips))
    return torch.cat([*clips, clips[0].new_zeros(-rows % _STEP, clips[0].shape[1])])


class JoinedStates(Sequence[Tensor]):
    """A sequence of hidden states, each padded to `[batch, frames, dim]` only when it is used.

    Args:
        rows: A tensor `[total frames, dim]` per hidden state.
        lengths: Frames of each clip.
    """

    def __init__(self, rows: Sequence[Tensor], lengths: Sequence[int]) -> None:
        self._rows, self._lengths = rows, list(lengths)

    def clips(self, state: int) -> list[Tensor]:
        """Return `[frames, dim]` of each clip at a hidden state, as views."""
        return list(self._rows[state].split_with_sizes(self._lengths))

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, state: int) -> Tensor: ...
    @overload
    def __getitem__(self, state: slice) -> tuple[Tensor, ...]: ...
    def __getitem__(self, state: int | slice) -> Tensor | tuple[Tensor, ...]:
        """Return one or several hidden states, zero beyond each clip's end."""
        if isinstance(state, slice):
            return tuple(self[index] for index in range(*state.indices(len(self))))
        return _padded(self.clips(state))


def _padded(clips: Sequence[Tensor]) -> Tensor:
    """Pad clips `[frames, dim]` with zeros to `[batch, frames, dim]`.

    `pad_sequence` writes one after the other in place, each of which copies the whole gradient.
    """
    zeros = clips[0].new_zeros(max(map(len, clips)), clips[0].shape[1])
    parts = chain.from_iterable((clip, zeros[len(clip) :]) for clip in clips)
    return torch.cat(list(parts)).view(len(clips), *zeros.shape)


_OPERATORS = (
    "_linear_pointwise",
    "_reorder_linear_weight",
    "_convolution_pointwise",
    "_reorder_convolution_weight",
)
_TYPICAL_ROWS = 256  # oneDNN needs a size to choose a layout; any other size runs, too


def supported(dtype: torch.dtype) -> bool:
    """Return whether this machine and this build of torch have the operators, for float32 or bfloat16."""
    onednn = torch.backends.mkldnn.enabled and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not onednn or platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    if not all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and _fast_bfloat16())


def is_slow(dtype: torch.dtype) -> bool:
    """Return whether this is an x86 processor that computes in bfloat16 without instructions for it."""
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    return is_x86 and dtype == torch.bfloat16 and not torch.cpu._is_avx512_bf16_supported()


def _fast_bfloat16() -> bool:
    # A processor without bfloat16 instructions is slower in bfloat16 than in float32.
    return torch.ops.mkldnn._is_mkldnn_bf16_supported() and torch.cpu._is_avx512_bf16_supported()


class PackedLinear:
    """`gelu(x W^T + b)`; the GELU is optional.

    Args:
        weight: `[out, in]`.
        bias: `[out]` or None.
        dtype: Precision of weights, input and output.
        gelu: Whether a GELU (the exact one) follows.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype, gelu: bool = False) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype), _TYPICAL_ROWS)
        self._bias = None if bias is None else bias.to(dtype)
        self._then, self._form = _activation(gelu)

    def __call__(self, x: Tensor) -> Tensor:
        """Map `[rows, in]` to `[rows, out]`."""
        mapped: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self._weight, self._bias, self._then, [], self._form
        )
        return mapped


def product(x: Tensor, weight: Tensor) -> Tensor:
    """Return `x W^T` by oneDNN without laying out the weight, for few inputs or outputs.

    For these, torch's own product takes two to four times as long in float32.

    Args:
        x: `[rows, in]`.
        weight: `[out, in]`, contiguous.
    """
    mapped: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, *_PLAIN)
    return mapped


class PackedConv:
    """A convolution over time, frames first and channels last, with an optional GELU.

    Args:
        weight: `[out, in / groups, kernel]`.
        bias: `[out]` or None.
        dtype: Precision of weights, input and output.
        stride: Frames from one output frame to the next.
        padding: Zero frames before and after the input.
        groups: Groups of channels.
        gelu: Whether a GELU (the exact one) follows.
        frames: Frames of a typical input. With groups the layout depends on it: all inputs should have this
            length.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        dtype: torch.dtype,
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        gelu: bool = False,
        frames: int,
    ) -> None:
        input_size = [1, weight.shape[1] * groups, 1, frames]
        self._padding, self._stride, self._groups = [0, padding], [1, stride], groups
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(
            weight.to(dtype).unsqueeze(2),
            self._padding,
            self._stride,
            [1, 1],
            groups,
            input_size,
        )
        self._bias = None if bias is None else bias.to(dtype)
        self._then, self._form = _activation(gelu)

    def __call__(self, x: Tensor) -> Tensor:
        """Map `[batch, frames, in]` to `[batch, output frames, out]`."""
        mapped: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x.transpose(1, 2).unsqueeze(2),
            self._weight,
            self._bias,
            self._padding,
            self._stride,
            [1, 1],
            self._groups,
            self._then,
            [],
            self._form,
        )
        return mapped.squeeze(2).transpose(1, 2)


_PLAIN: tuple[str, list[float], str] = ("none", [], "")


def _activation(gelu: bool) -> tuple[str, str]:
    return ("gelu", "none") if gelu else ("none", "")
