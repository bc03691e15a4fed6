"""Kaldi's filter-bank features as w2v-BERT 2.0 takes them, in batches and on the device of the waveforms."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import SeamlessM4TFeatureExtractor

from sercl.models.encoders.masking import frame_mask

WINDOW, HOP = 400, 160  # samples: 25 ms and 10 ms
_FFT = 512
_PREEMPHASIS = 0.97
_FULL_SCALE = 2.0**15  # Kaldi works on 16-bit integers
_FLOOR = 1.192092955078125e-07
_NORM_EPSILON = 1e-7


@dataclass(frozen=True)
class Fbank:
    """The features of transformers' SeamlessM4TFeatureExtractor: normalised per bin, neighbours joined.

    Attributes:
        filters: `[257, bins]` float32, the mel filter bank.
        window: `[400]` float32, Povey's window.
        stride: Frames that are joined into one.
    """

    filters: Tensor
    window: Tensor
    stride: int

    @classmethod
    def of(cls, extractor: SeamlessM4TFeatureExtractor) -> Self:
        """Take the filter bank and the window of a feature extractor."""
        filters = torch.from_numpy(extractor.mel_filters).float()
        return cls(filters, torch.from_numpy(extractor.window).float(), extractor.stride)

    @property
    def min_samples(self) -> int:
        """Samples that give one joined frame."""
        return WINDOW + (self.stride - 1) * HOP

    def lengths(self, samples: Tensor) -> Tensor:
        """Return the joined frames, int64, of clips of `samples` samples; incomplete ones do not count."""
        return _frames(samples).div(self.stride, rounding_mode="floor")

    def __call__(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Return `[batch, frames, stride * bins]` float32; valid are `self.lengths(lengths)` frames per row.

        Args:
            waveforms: `[batch, samples]` float32.
            lengths: `[batch]` integers, each at least `min_samples`.
        """
        with torch.autocast(waveforms.device.type, enabled=False):
            normalized = _normalize(self._log_mel(waveforms), _frames(lengths))
        whole = normalized.shape[1] // self.stride * self.stride
        return normalized[:, :whole].reshape(len(normalized), whole // self.stride, -1)

    def _log_mel(self, waveforms: Tensor) -> Tensor:
        frames = (waveforms * _FULL_SCALE).unfold(-1, WINDOW, HOP)
        frames = frames - frames.mean(-1, keepdim=True)
        previous = F.pad(frames, (1, 0), mode="replicate")[..., :-1]
        emphasized = (frames - _PREEMPHASIS * previous) * self.window.to(frames.device)
        power = torch.fft.rfft(emphasized, _FFT).abs().square()
        mel = torch.matmul(power, self.filters.to(power.device))
        return mel.clamp(min=_FLOOR).log()


def _frames(samples: Tensor) -> Tensor:
    return torch.div(samples - WINDOW, HOP, rounding_mode="floor") + 1


def _normalize(features: Tensor, frames: Tensor) -> Tensor:
    valid = frame_mask(frames, features.shape[1])[..., None]
    mean = features.masked_fill(~valid, 0.0).sum(1) / frames[:, None]
    centred = (features - mean[:, None]).masked_fill(~valid, 0.0)
    variance = centred.square().sum(1) / (frames[:, None] - 1)
    return centred / (variance + _NORM_EPSILON).sqrt()[:, None]
