"""The wav2vec 2.0 family on the CPU without gradients: waveforms -> hidden states."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from sercl.models.encoders.fast.adapted import changes_of
from sercl.models.encoders.fast.attention import GatedAttention, SelfAttention, position_bias
from sercl.models.encoders.fast.blocks import Block, NormFirstBlock, NormLastBlock, run_blocks
from sercl.models.encoders.fast.front_end import FrontEnd, front_end_fits
from sercl.models.encoders.fast.packed import PackedConv, PackedLinear, join

_CHUNK = 64
"""Output frames of one call. All calls have inputs of the same length, because a grouped convolution's
weights are packed for one; long chunks are faster, short ones waste less at a clip's end."""

_NARROW = 16  # channels per group: with fewer, oneDNN 3.10 gets bfloat16 convolutions wrong on AMX

Positions = Callable[[Tensor, Sequence[int]], Tensor]
"""Maps `[total frames, dim]` and the frames of each clip to the position embedding, of the same shape."""


def build_positions(module: Any, dtype: torch.dtype) -> Positions:
    """Build the position embedding of `model.encoder.pos_conv_embed`.

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


_NORM_LAST = ("Wav2Vec2EncoderLayer", "HubertEncoderLayer", "WavLMEncoderLayer", "Data2VecAudioEncoderLayer")
_NORM_FIRST = tuple(f"{kind}EncoderLayerStableLayerNorm" for kind in ("Wav2Vec2", "Hubert", "WavLM"))


def fits(model: PreTrainedModel) -> bool:
    """Return whether `FastWav2Vec2` can compute every part of the model."""
    config = model.config
    gelu = config.hidden_act == config.feat_extract_activation == "gelu"
    return (
        gelu
        and front_end_fits(model.feature_extractor.conv_layers)
        and all(map(_known, model.encoder.layers))
    )


def _known(block: Any) -> bool:
    # Some MMS checkpoints have an adapter of their own in each block.
    return type(block).__name__ in _NORM_LAST + _NORM_FIRST and getattr(block, "adapter_layer", None) is None


class FastWav2Vec2:
    """wav2vec 2.0, HuBERT, WavLM and data2vec-audio without padding.

    Each clip is convolved and attended to alone; the linear layers process all clips at once.

    Args:
        model: The model; `fits` must hold. Its large weights are copied.
        dtype: Precision of products and convolutions; the residual stream is float32.
        depth: Blocks to run; None for all, and the final norm.
    """

    def __init__(self, model: PreTrainedModel, dtype: torch.dtype, depth: int | None = None) -> None:
        encoder, projection = model.encoder, model.feature_projection
        self._dtype = dtype
        self._front_end = FrontEnd(model.feature_extractor.conv_layers, dtype)
        self._projection_norm = getattr(projection, "layer_norm", nn.Identity())
        self._projection = PackedLinear(projection.projection.weight, projection.projection.bias, dtype)
        self._positions = build_positions(encoder.pos_conv_embed, dtype)
        self._relative = getattr(encoder.layers[0], "attention", None) if _gated(encoder.layers[0]) else None
        self._blocks = [_block(block, dtype) for block in encoder.layers[:depth]]
        self._norm_first = _is_norm_first(encoder.layers[0])
        self._norm, self._is_whole = encoder.layer_norm, depth is None

    def __call__(self, waveforms: Sequence[Tensor]) -> tuple[list[Tensor], list[int]]:
        """Encode clips.

        Args:
            waveforms: `[samples]` float32 each, as the model takes them.

        Returns:
            One tensor `[total frames, dim]` float32 per hidden state, and the frames of each clip.
        """
        frames = [self._front_end(waveform) for waveform in waveforms]
        lengths, total = [len(clip) for clip in frames], sum(map(len, frames))
        normed = self._projection_norm(join(frames).float())
        rows = self._projection(normed.to(self._dtype)).float()
        rows[:total] += self._positions(rows[:total], lengths)
        if not self._norm_first:
            rows = self._norm(rows)
        is_gated = self._relative is not None and self._blocks
        biases = position_bias(self._relative, lengths) if is_gated else []
        states = run_blocks(self._blocks, rows, lengths, biases)
        if self._norm_first and self._is_whole:
            states[-1] = self._norm(states[-1])
        return [state[:total] for state in states], lengths


def _block(block: Any, dtype: torch.dtype) -> Block:
    kind = NormFirstBlock if _is_norm_first(block) else NormLastBlock
    attention = (GatedAttention if _gated(block) else SelfAttention)(block.attention, dtype)
    norms = (block.layer_norm, block.final_layer_norm)
    feed_forward = block.feed_forward
    linears = (feed_forward.intermediate_dense, feed_forward.output_dense)
    return kind(attention, norms, linears, dtype, changes_of(block, "feed_forward"))


def _is_norm_first(block: Any) -> bool:
    return type(block).__name__ in _NORM_FIRST


def _gated(block: Any) -> bool:
    return hasattr(block.attention, "gru_rel_pos_linear")
