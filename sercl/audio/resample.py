"""Samples of any rate -> a waveform at the rate that the encoders expect."""

import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import scipy.signal
import torch
from torch import Tensor

from sercl.audio.files import Samples, read
from sercl.torch_pair import torchaudio

if TYPE_CHECKING:
    from torchaudio.transforms import Resample

SAMPLE_RATE = 16_000
"""Rate of every waveform inside sercl, in Hz: wav2vec 2.0, WavLM, HuBERT and Whisper all take 16 kHz."""

# A sinc over 64 zero crossings with a Kaiser window: librosa's "kaiser_best", as torchaudio documents it.
_FILTER_WIDTH = 64
_ROLLOFF = 0.9475937167399596
_BETA = 14.769656459379492

# The kernel holds one filter per phase: gigabytes for 44101 Hz. Such rates use an FFT instead.
MOST_PHASES = 2000
"""Maximum number of phases of a kernel."""


def load(path: Path | str, start: float | None = None, end: float | None = None) -> Tensor:
    """Decode a file, or a stretch of it, to a mono waveform at `SAMPLE_RATE`.

    Args:
        path: The file.
        start: Seconds into the file where the stretch begins, None for its start.
        end: Seconds into the file where it ends, None for its end.

    Returns:
        Waveform `[n]`, float32.

    Raises:
        AudioNotFoundError: There is no such file.
        AudioError: The file or its samples are unusable; see `sercl.audio.files.read`.
    """
    return to_rate(*read(path, start, end))


def to_rate(samples: Samples | Tensor, rate: int, target: int = SAMPLE_RATE) -> Tensor:
    """Resample mono samples with a band-limited (sinc) kernel.

    Args:
        samples: `[n]`, float32.
        rate: Their rate in Hz.
        target: The target rate in Hz.

    Returns:
        Waveform `[ceil(n * target / rate)]`, float32; the samples themselves if the rates are equal.
    """
    waveform = torch.as_tensor(samples, dtype=torch.float32)
    if rate == target:
        return waveform
    phases, step = target // math.gcd(rate, target), rate // math.gcd(rate, target)
    if phases > MOST_PHASES or phases * step > MOST_PHASES**2:
        length = math.ceil(len(waveform) * target / rate)
        return torch.from_numpy(scipy.signal.resample(waveform.numpy(), length)).float()
    resampled: Tensor = resampler(rate, target)(waveform)
    return resampled


@lru_cache(maxsize=16)
def resampler(rate: int, target: int) -> "Resample":
    """Return the cached resampler of a pair of rates: its kernel costs more than a short clip."""
    return torchaudio.transforms.Resample(
        rate,
        target,
        resampling_method="sinc_interp_kaiser",
        lowpass_filter_width=_FILTER_WIDTH,
        rolloff=_ROLLOFF,
        beta=_BETA,
    )
