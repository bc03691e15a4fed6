"""Samples of any rate -> a waveform at the rate that the encoders expect."""

import math
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad

from sercl.audio.files import Samples, read
from sercl.torch_pair import torchaudio

SAMPLE_RATE = 16_000
"""Rate of every waveform inside sercl, in Hz: wav2vec 2.0, WavLM, HuBERT and Whisper all take 16 kHz."""

# A sinc over 64 zero crossings with a Kaiser window: librosa's "kaiser_best", as torchaudio documents it.
_FILTER_WIDTH = 64
_ROLLOFF = 0.9475937167399596
_BETA = 14.769656459379492

# The kernel of torchaudio holds one filter per phase, each as long as a step: gigabytes for 44101 Hz.
_MOST_PHASES = 2000
_MOST_WEIGHTS = _MOST_PHASES**2
"""Most numbers of all filters together, 16 MB."""


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
    return resampler(rate, target)(waveform)


class Resampler:
    """Resamples with the filters of torchaudio, for some rates several times faster.

    A convolution computes as many output samples at a time as there are phases: 1 from 48 to 16 kHz, so that
    most of its time is overhead. Here copies of the filters, shifted by a step each, compute `_AT_ONCE` of
    them. The taps added to a filter are zeros.

    Args:
        rate: The rate of the input, in Hz.
        target: The rate of the output, in Hz.

    Attributes:
        width: Input samples on both sides of one that its output depends on.
    """

    def __init__(self, rate: int, target: int) -> None:
        transform = torchaudio.transforms.Resample(
            rate,
            target,
            resampling_method="sinc_interp_kaiser",
            lowpass_filter_width=_FILTER_WIDTH,
            rolloff=_ROLLOFF,
            beta=_BETA,
        )
        self.width: int = transform.width
        self._step = rate // math.gcd(rate, target)
        self._phases, _, self._taps = transform.kernel.shape
        self._steps = max(1, _AT_ONCE // self._phases)
        self._filters = self._shifted(transform.kernel)

    def _shifted(self, kernel: Tensor) -> Tensor:
        """Return the filters of a block of steps, `[steps * phases, 1, samples]`."""
        filters = kernel.new_zeros(
            self._steps, *kernel.shape[:2], self._taps + (self._steps - 1) * self._step
        )
        for index, own in enumerate(filters):
            own[:, :, index * self._step :][:, :, : self._taps] = kernel
        return filters.flatten(0, 1)

    def __call__(self, waveform: Tensor) -> Tensor:
        """Return `[ceil(n * target / rate)]` float32 of `[n]`."""
        hop = self._steps * self._step
        length = -(-len(waveform) * self._phases // self._step)
        blocks = max(1, -(-length // (self._steps * self._phases)))
        lacking = (blocks - 1) * hop + self._filters.shape[2] - self.width - len(waveform)
        padded = pad(waveform, (self.width, max(0, lacking)))
        made = conv1d(padded[None, None], self._filters, stride=hop)[0]
        return made.T.flatten()[:length]


_AT_ONCE = 32


class OddResampler:
    """Resamples between rates whose ratio is not one of small numbers, such as 44101 and 16000 Hz.

    Nothing drifts: each output sample is taken at its exact place between two input samples, by the filter
    of the nearest place of a table. Up to 29 kHz that is the place itself, above it is off by a nanosecond.

    Args:
        rate: The rate of the input, in Hz.
        target: The rate of the output, in Hz.

    Attributes:
        width: Input samples on both sides of one that its output depends on.
    """

    def __init__(self, rate: int, target: int) -> None:
        cutoff = _ROLLOFF * min(1.0, target / rate)
        self.width = math.ceil(_FILTER_WIDTH / cutoff)
        self._before, self._after = rate // math.gcd(rate, target), target // math.gcd(rate, target)
        self._taps = 2 * self.width + 2
        self._places = min(self._after, max(1, _MOST_WEIGHTS // self._taps))
        places = torch.arange(self._places + 1, dtype=torch.float64) / self._places
        taps = torch.arange(self._taps) - self.width
        self._filters = torch.cat(
            [_filter(taps - own[:, None], cutoff).float() for own in torch.split(places, _AT_ONCE)]
        )

    def __call__(self, waveform: Tensor) -> Tensor:
        """Return `[ceil(n * target / rate)]` float32 of `[n]`."""
        length = -(-len(waveform) * self._after // self._before)
        stretches = pad(waveform, (self.width, self._taps - self.width)).unfold(0, self._taps, 1)
        parts = torch.split(torch.arange(length), max(1, _MOST_WEIGHTS // self._taps))
        return torch.cat([self._outputs(stretches, part) for part in parts])

    def _outputs(self, stretches: Tensor, numbers: Tensor) -> Tensor:
        """Return some output samples, by their numbers, of stretches `[n, taps]` around the input samples."""
        position = numbers * self._before
        place = (position % self._after * self._places + self._after // 2) // self._after
        return (stretches[position // self._after] * self._filters[place]).sum(dim=1)


def _filter(offsets: Tensor, cutoff: float) -> Tensor:
    """Return torchaudio's filter at some distances from its centre, in input samples.

    Args:
        offsets: The distances.
        cutoff: Of the filter, as a share of half the rate of the input.
    """
    time = (offsets * cutoff).clamp(-_FILTER_WIDTH, _FILTER_WIDTH)
    window = torch.i0(_BETA * (1 - (time / _FILTER_WIDTH) ** 2).sqrt()) / torch.i0(time.new_tensor(_BETA))
    return torch.sinc(time) * window * cutoff


@lru_cache(maxsize=16)
def resampler(rate: int, target: int) -> Resampler | OddResampler:
    """Return the cached resampler of a pair of rates: its filters cost more than a short clip."""
    phases, step = target // math.gcd(rate, target), rate // math.gcd(rate, target)
    is_odd = phases > _MOST_PHASES or phases * step > _MOST_WEIGHTS
    return OddResampler(rate, target) if is_odd else Resampler(rate, target)
