"""The wav2vec 2.0 family on the CPU without gradients: waveforms -> hidden states."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sercl.models.encoders.fast.attention import GatedAttention, SelfAttention, position_bias
from sercl.models.encoders.fast.blocks import Block, NormFirstBlock, NormLastBlock, run_blocks
from sercl.models.encoders.fast.front_end import FrontEnd, front_end_fits
from sercl.models.encoders.fast.packed import PackedLinear
from sercl.models.encoders.fast.positions import build_positions
from sercl.models.encoders.fast.rows import join

_NORM_LAST = ("Wav2Vec2EncoderLayer", "HubertEncoderLayer", "WavLMEncoderLayer", "Data2VecAudioEncoderLayer")
_NORM_FIRST = tuple(f"{kind}EncoderLayerStableLayerNorm" for kind in ("Wav2Vec2", "Hubert", "WavLM"))


def fits(model: PreTrainedModel) -> bool:
    """Say whether every part of the model is such as `FastWav2Vec2` computes."""
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

    Each clip is convolved and attended to alone; the linear layers see all clips at once.

    Args:
        model: The model; `fits` must hold. Its large weights are copied.
        dtype: Precision of products and convolutions; what is added up from block to block is float32.
    """

    def __init__(self, model: PreTrainedModel, dtype: torch.dtype) -> None:
        encoder, projection = model.encoder, model.feature_projection
        self._dtype = dtype
        self._front_end = FrontEnd(model.feature_extractor.conv_layers, dtype)
        self._projection_norm = getattr(projection, "layer_norm", nn.Identity())
        self._projection = PackedLinear(projection.projection.weight, projection.projection.bias, dtype)
        self._positions = build_positions(encoder.pos_conv_embed, dtype)
        self._relative = getattr(encoder.layers[0], "attention", None) if _gated(encoder.layers[0]) else None
        self._blocks = [_block(block, dtype) for block in encoder.layers]
        self._norm_first = isinstance(self._blocks[0], NormFirstBlock)
        self._norm = encoder.layer_norm

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
        biases = [] if self._relative is None else position_bias(self._relative, lengths)
        states = run_blocks(self._blocks, rows, lengths, biases)
        if self._norm_first:
            states[-1] = self._norm(states[-1])
        return [state[:total] for state in states], lengths


def _block(block: Any, dtype: torch.dtype) -> Block:
    kind = NormFirstBlock if type(block).__name__ in _NORM_FIRST else NormLastBlock
    attention = (GatedAttention if _gated(block) else SelfAttention)(block.attention, dtype)
    norms = (block.layer_norm, block.final_layer_norm)
    feed_forward = block.feed_forward
    return kind(attention, norms, (feed_forward.intermediate_dense, feed_forward.output_dense), dtype)


def _gated(block: Any) -> bool:
    return hasattr(block.attention, "gru_rel_pos_linear")
