"""From the output of an encoder for a batch to a row for each utterance."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sercl.models.encoders import EncoderOutput
from sercl.models.pooling import Pooling


def rows_of(output: EncoderOutput, states: Sequence[int], pooling: Pooling | None) -> list[Tensor]:
    """Return some hidden states of each utterance of a batch, float32 on the CPU.

    Args:
        output: Output of the encoder for the batch.
        states: Indices of the hidden states.
        pooling: Over frames; None for every valid frame.

    Returns:
        `[states, width]` per utterance; without pooling `[states, frames, width]`.
    """
    if pooling is not None and output.lengths.device.type != "cpu":  # few large kernels
        pooled = [pooling(output.hidden_states[state], output.lengths) for state in states]
        return list(torch.stack(pooled, dim=1).float().cpu())
    pool = pooling.clip if pooling is not None else Tensor.float
    by_state = [[pool(clip) for clip in output.clips(state)] for state in states]
    return [torch.stack(own).cpu() for own in zip(*by_state, strict=True)]


def default_batch_seconds(device: torch.device) -> float:
    """Return the padded seconds of a batch that suit a device."""
    return _CPU_SECONDS if device.type == "cpu" else _GPU_SECONDS


_CPU_SECONDS = 32.0
"""With 8 s, wav2vec2-base takes 5 to 10 % more time: the weights pass through the cache for fewer frames."""

_GPU_SECONDS = 120.0
