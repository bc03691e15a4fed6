"""The convolutional front end of wav2vec 2.0 on one clip, without gradients: waveform -> frames.

A clip passes through all layers piece by piece, and pieces have few distinct lengths: oneDNN compiles code
for every new length, which in bfloat16 takes as long as running it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sercl.models.encoders.fast.packed import PackedConv, PackedLinear
from sercl.models.encoders.masking import receptive_field

Layer = Callable[[Tensor], Tensor]
"""Maps a piece `[1, frames, channels]`, for the first layer `[samples]`, to `[1, frames, channels]`."""

_PIECE = 128
"""Frames of a piece: few enough to stay in the cache from layer to layer, enough to fill the cores."""

_STEP = 8
"""The last piece of a clip is computed up to a multiple of this."""

_ROWS_IN_CACHE = 512  # frames of 512 channels that stay in a core's cache between norm and GELU


def front_end_fits(layers: Any) -> bool:
    """Return whether `FrontEnd` can compute these convolutional layers."""
    first = layers[0].conv
    if first.in_channels != 1 or first.kernel_size[0] % first.stride[0] or any(map(_unusual, layers)):
        return False
    norms = [getattr(layer, "layer_norm", None) for layer in layers]
    if isinstance(norms[0], nn.GroupNorm):
        one_channel_each = norms[0].num_groups == norms[0].num_channels and norms[0].affine
        return one_channel_each and not any(norms[1:])
    return all(isinstance(norm, nn.LayerNorm) for norm in norms)


def _unusual(layer: Any) -> bool:
    conv = layer.conv
    plain = (conv.groups, conv.dilation, conv.padding) == (1, (1,), (0,))
    return type(conv) is not nn.Conv1d or not plain


class FrontEnd:
    """The layers of a feature encoder, each frame's channels beside each other in memory.

    In front of a group norm the first layer is a linear map of windows of a few samples, so that the mean and
    variance of each channel over time follow from those of the windows, and the norm is folded into the
    layer's weights for each clip.

    Args:
        layers: `model.feature_extractor.conv_layers`; `front_end_fits` must hold.
        dtype: Precision of the convolutions.
    """

    def __init__(self, layers: Any, dtype: torch.dtype) -> None:
        grouped = isinstance(layers[0].layer_norm, nn.GroupNorm)
        self._first = _group_normed(layers[0], dtype) if grouped else _layer_normed_first(layers[0], dtype)
        self._field, self._hop = receptive_field(
            [layer.conv.kernel_size[0] for layer in layers], [layer.conv.stride[0] for layer in layers]
        )
        self._others = [_following(layer, dtype) for layer in list(layers)[1:]]

    def __call__(self, waveform: Tensor) -> Tensor:
        """Map `[samples]` float32 to `[frames, channels]`."""
        frames = (len(waveform) - self._field) // self._hop + 1
        waveform, first = self._first(waveform)
        pieces = [self._piece(waveform, first, start, frames) for start in range(0, frames, _PIECE)]
        return torch.cat(pieces)

    def _piece(self, waveform: Tensor, first: Layer, start: int, frames: int) -> Tensor:
        count = min(_PIECE, frames - start)
        computed = -(-count // _STEP) * _STEP
        samples = (computed - 1) * self._hop + self._field
        piece = waveform[start * self._hop :][:samples]
        hidden = first(F.pad(piece, (0, samples - len(piece))))
        for layer in self._others:
            hidden = layer(hidden)
        return hidden[0, :count]


def _group_normed(layer: Any, dtype: torch.dtype) -> Callable[[Tensor], tuple[Tensor, Layer]]:
    conv, norm = layer.conv, layer.layer_norm
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    weight = conv.weight.squeeze(1)

    def fit(waveform: Tensor) -> tuple[Tensor, Layer]:
        waveform = waveform - waveform.mean()  # the norm removes any offset, but not rounding errors
        scaled, shift = fold_group_norm(weight, norm, waveform.unfold(0, kernel, stride))
        folded = PackedConv(_in_steps(scaled, stride), shift, dtype, gelu=True, frames=_PIECE)
        return waveform, lambda piece: folded(_step_view(piece, kernel, stride).to(dtype))

    return fit


def fold_group_norm(weight: Tensor, norm: nn.GroupNorm, windows: Tensor) -> tuple[Tensor, Tensor]:
    """Put a group norm with a group for each channel into the linear map before it.

    Args:
        weight: `[channels, kernel]`, the map. A bias would make no difference.
        norm: The norm over time that follows.
        windows: `[frames, kernel]`, all inputs of the map.

    Returns:
        Weight `[channels, kernel]` and bias `[channels]` of map and norm together, float32.
    """
    windows, weight = windows.double(), weight.double()
    mean = windows.mean(0)
    covariance = windows.T @ windows / len(windows) - mean.outer(mean)
    variance = ((weight @ covariance) * weight).sum(1).clamp(min=0)
    scaled = weight * (norm.weight / (variance + norm.eps).sqrt())[:, None]
    return scaled.float(), (norm.bias - scaled @ mean).float()


def _layer_normed_first(layer: Any, dtype: torch.dtype) -> Callable[[Tensor], tuple[Tensor, Layer]]:
    conv = layer.conv
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    steps = _in_steps(conv.weight.squeeze(1), stride)
    packed = PackedConv(steps, conv.bias, dtype, frames=_PIECE)
    finish = _NormGelu(layer.layer_norm, dtype)

    def run(piece: Tensor) -> Tensor:
        return finish(packed(_step_view(piece, kernel, stride).to(dtype)))

    return lambda waveform: (waveform, run)


def _following(layer: Any, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    conv, norm = layer.conv, getattr(layer, "layer_norm", None)
    packed = _strided(conv, dtype, norm is None)
    if norm is None:
        return packed
    finish = _NormGelu(norm, dtype)
    return lambda hidden: finish(packed(hidden))


def _strided(conv: Any, dtype: torch.dtype, gelu: bool) -> Layer:
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    if dtype == torch.float32 and kernel != stride:
        return PackedConv(conv.weight, conv.bias, dtype, stride=stride, gelu=gelu, frames=_PIECE)
    # A matrix product over windows: overlapping windows are copied for it, which only pays off in bfloat16.
    linear = PackedLinear(conv.weight.transpose(1, 2).flatten(1), conv.bias, dtype, gelu=gelu)

    def run(hidden: Tensor) -> Tensor:
        channels = hidden.shape[2]
        return linear(hidden.view(-1).unfold(0, kernel * channels, stride * channels))[None]

    return run


class _NormGelu:
    """Layer norm and GELU in place, some frames at a time, to keep them in the cache in between."""

    def __init__(self, norm: nn.LayerNorm, dtype: torch.dtype) -> None:
        self._shape, self._eps = norm.normalized_shape, norm.eps
        self._weight, self._bias = norm.weight.to(dtype), norm.bias.to(dtype)

    def __call__(self, hidden: Tensor) -> Tensor:
        for start in range(0, hidden.shape[1], _ROWS_IN_CACHE):
            rows = hidden[:, start : start + _ROWS_IN_CACHE]
            normed = F.layer_norm(rows, self._shape, self._weight, self._bias, self._eps)
            torch.ops.aten.gelu.out(normed, out=rows)
        return hidden


def _in_steps(weight: Tensor, stride: int) -> Tensor:
    """Read a kernel of k samples as one of k / stride steps with `stride` channels each."""
    return weight.view(len(weight), -1, stride).transpose(1, 2)


def _step_view(waveform: Tensor, kernel: int, stride: int) -> Tensor:
    """View `[samples]` as `[1, steps, stride]`, as many steps as whole windows cover."""
    steps = (len(waveform) - kernel) // stride + kernel // stride
    return waveform[: steps * stride].view(1, steps, stride)
