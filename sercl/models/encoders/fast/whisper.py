"""The Whisper encoder on the CPU without gradients: log-mel features -> hidden states."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from sercl.models.encoders.fast.adapted import changes_of
from sercl.models.encoders.fast.attention import SelfAttention
from sercl.models.encoders.fast.blocks import Block, NormFirstBlock, run_blocks
from sercl.models.encoders.fast.packed import PackedConv, join

_STEP = 16  # mel frames


def fits(model: PreTrainedModel) -> bool:
    """Return whether `FastWhisper` can compute every part of the model."""
    known = all(type(block).__name__ == "WhisperEncoderLayer" for block in model.layers)
    return known and model.config.activation_function == "gelu"


class FastWhisper:
    """Whisper without padding beyond that of its features.

    Each clip is convolved and attended to alone; the linear layers process all clips at once.

    Args:
        model: The encoder; `fits` must hold. Its large weights are copied.
        dtype: Precision of products and convolutions; the residual stream is float32.
        depth: Blocks to run; None for all, and the final norm.
    """

    def __init__(self, model: PreTrainedModel, dtype: torch.dtype, depth: int | None = None) -> None:
        self._dtype, self._positions, self._norm = dtype, model.embed_positions.weight, model.layer_norm
        self._is_whole = depth is None
        self._first, self._second = _conv(model.conv1, dtype), _conv(model.conv2, dtype)
        self._blocks = [_block(block, dtype) for block in model.layers[:depth]]

    def __call__(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[int]]:
        """Encode clips.

        Args:
            features: `[mel bins, mel frames]` float32 each.

        Returns:
            One tensor `[total frames, dim]` float32 per hidden state, and the frames of each clip.
        """
        frames = [self._embed(clip) for clip in features]
        lengths = [len(clip) for clip in frames]
        states = run_blocks(self._blocks, join(frames), lengths)
        if self._is_whole:
            states[-1] = self._norm(states[-1])
        return [state[: sum(lengths)] for state in states], lengths

    def _embed(self, features: Tensor) -> Tensor:
        mel_frames = features.shape[1]
        padded = F.pad(features, (0, -mel_frames % _STEP))  # few lengths, as in `front_end`
        hidden = self._first(padded.T[None].to(self._dtype))
        hidden[:, mel_frames:] = 0  # the second convolution's input beyond the end
        frames = (mel_frames + 1) // 2
        embedded: Tensor = self._second(hidden)[0, :frames] + self._positions[:frames]
        return embedded


def _conv(conv: Any, dtype: torch.dtype) -> PackedConv:
    stride, padding = conv.stride[0], conv.padding[0]
    return PackedConv(
        conv.weight, conv.bias, dtype, stride=stride, padding=padding, gelu=True, frames=3000 // stride
    )


def _block(block: Any, dtype: torch.dtype) -> Block:
    norms = (block.self_attn_layer_norm, block.final_layer_norm)
    attention, linears = SelfAttention(block.self_attn, dtype), (block.fc1, block.fc2)
    return NormFirstBlock(attention, norms, linears, dtype, changes_of(block, "fc2"))
