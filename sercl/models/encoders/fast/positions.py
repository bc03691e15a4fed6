"""The convolutional position embedding of the wav2vec 2.0 family on clips one below the other."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sercl.models.encoders.fast.packed import PackedConv

_CHUNK = 64
"""Output frames of one call. All calls see inputs of the same length, because a grouped convolution's weights
are packed for one; long chunks are faster, short ones waste less at a clip's end."""

_NARROW = 16  # channels per group: with fewer, oneDNN 3.10 gets bfloat16 convolutions wrong on AMX

Positions = Callable[[Tensor, Sequence[int]], Tensor]
"""Maps `[total frames, dim]` and the frames of each clip to the position embedding, of the same shape."""


def build_positions(module: Any, dtype: torch.dtype) -> Positions:
    """Make the position embedding of `model.encoder.pos_conv_embed`.

    Those with more than one convolution (data2vec) or a batch norm (some HuBERT) run as they are in float32,
    clip by clip, and so do very narrow ones.
    """
    conv = getattr(module, "conv", None)
    single = isinstance(conv, nn.Conv1d) and getattr(module, "batch_norm", None) is None
    if single and module.conv.weight.shape[1] >= _NARROW:
        return ChunkedConv(module.conv, dtype)

    def clip_by_clip(rows: Tensor, lengths: Sequence[int]) -> Tensor:
        return torch.cat([module(clip[None])[0] for clip in rows.split_with_sizes(list(lengths))])

    return clip_by_clip


class ChunkedConv:
    """A grouped convolution that keeps the number of frames, and its GELU, in chunks of a fixed length.

    Args:
        conv: The convolution, whose weight may be parametrised: it is computed once.
        dtype: Precision of the convolution; the result is float32.
    """

    def __init__(self, conv: Any, dtype: torch.dtype) -> None:
        kernel, self._dtype = conv.kernel_size[0], dtype
        self._before, self._window = conv.padding[0], _CHUNK + kernel - 1
        self._conv = PackedConv(
            conv.weight, conv.bias, dtype, groups=conv.groups, gelu=True, frames=self._window
        )

    def __call__(self, rows: Tensor, lengths: Sequence[int]) -> Tensor:
        """Map `[total frames, dim]` to the same shape."""
        clips = rows.to(self._dtype).split_with_sizes(list(lengths))
        chunks = [self._chunks(clip) for clip in clips]
        counts = [len(each) for each in chunks]
        embedded = self._conv(torch.cat(chunks)).split_with_sizes(counts)
        return torch.cat([each.flatten(0, 1)[:n] for each, n in zip(embedded, lengths, strict=True)]).float()

    def _chunks(self, clip: Tensor) -> Tensor:
        count = -(-len(clip) // _CHUNK)
        after = (count - 1) * _CHUNK + self._window - self._before - len(clip)
        return F.pad(clip, (0, 0, self._before, after)).unfold(0, self._window, _CHUNK).transpose(1, 2)
