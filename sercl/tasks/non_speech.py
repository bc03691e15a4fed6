"""Frames in which nobody speaks."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sercl.audio.resample import SAMPLE_RATE
from sercl.audio.scan import SILENCE_DBFS
from sercl.audio.voice import VoiceDetector

Mask = NDArray[np.bool_]
"""`[frames]`, true where nobody speaks."""


def quiet_frames(waveform: Tensor, frames: int, hop: int) -> Mask:
    """Return the frames whose peak is under the level at which a clip counts as silent.

    Args:
        waveform: `[n]` at 16 kHz.
        frames: Number of frames; frame i stands for samples `i * hop` to `(i + 1) * hop`.
        hop: Samples from one frame to the next.
    """
    needed = frames * hop
    padded = torch.nn.functional.pad(waveform, (0, max(0, needed - len(waveform))))[:needed]
    peaks = padded.abs().reshape(frames, hop).amax(dim=1)
    quiet: Mask = (peaks < 10 ** (SILENCE_DBFS / 20)).numpy()
    return quiet


def voiceless_frames(detector: VoiceDetector, waveform: Tensor, frames: int, hop: int) -> Mask:
    """Return the frames whose middle lies in no stretch of speech; arguments as `quiet_frames`."""
    middles = (np.arange(frames) + 0.5) * hop / SAMPLE_RATE
    voiceless = np.ones(frames, dtype=bool)
    for start, end in detector.speech([waveform])[0]:
        voiceless &= (middles < start) | (middles >= end)
    return voiceless
