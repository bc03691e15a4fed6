"""Whisper's log-mel spectrogram, in batches and on the device of the waveforms."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import WhisperFeatureExtractor

_FLOOR = 1e-10
_RANGE = 8.0  # what lies further below the loudest bin (in powers of ten) is raised to it


@dataclass(frozen=True)
class LogMel:
    """The log-mel spectrogram of transformers' WhisperFeatureExtractor.

    Attributes:
        filters: `[bins, n_fft // 2 + 1]` float32, the mel filter bank.
        n_fft: Samples of a window.
        hop: Samples from one mel frame to the next.
    """

    filters: Tensor
    n_fft: int
    hop: int

    @classmethod
    def of(cls, extractor: WhisperFeatureExtractor) -> Self:
        """Take the filter bank and the window of a feature extractor."""
        filters = torch.from_numpy(extractor.mel_filters).float().T.contiguous()
        return cls(filters, extractor.n_fft, extractor.hop_length)

    def __call__(self, waveforms: Tensor, frames: int, mask: Tensor | None = None) -> Tensor:
        """Return `[batch, bins, frames]` float32 of waveforms with silence after their end.

        Args:
            waveforms: `[batch, samples]` float32, zero beyond each row's length.
            frames: Mel frames to return.
            mask: `[batch, frames]` bool; where false, the result is zero and does not count as loudest.
        """
        with torch.autocast(waveforms.device.type, enabled=False):
            # Half a window beyond the last frame must be silence in every row; unmasked, the frames end where
            # the original's do, and it reflects the waveform there.
            tail = 0 if mask is None else self.n_fft
            log = self._log(F.pad(waveforms, (0, frames * self.hop + tail - waveforms.shape[1])), frames)
        if mask is not None:
            log = log.masked_fill(~mask[:, None, :], -torch.inf)
        log = torch.maximum(log, log.amax((1, 2), keepdim=True) - _RANGE)
        scaled = (log + 4.0) / 4.0
        return scaled if mask is None else scaled.masked_fill(~mask[:, None, :], 0.0)

    def _log(self, waveforms: Tensor, frames: int) -> Tensor:
        window = torch.hann_window(self.n_fft, device=waveforms.device)
        spectrum = torch.stft(waveforms, self.n_fft, self.hop, window=window, return_complex=True)
        power = spectrum[..., :frames].abs().square()
        return (self.filters.to(power.device) @ power).clamp(min=_FLOOR).log10()
