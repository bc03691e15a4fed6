"""w2v-BERT 2.0: conformer blocks on filter-bank features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel, SeamlessM4TFeatureExtractor

from sercl.models.encoders.base import SAMPLE_RATE, Encoder, FamilyTraits, check_bins
from sercl.models.encoders.masking import changed_output, frame_mask

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
        """Samples of the shortest clip with one joined frame."""
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


_TRAITS = FamilyTraits(
    block_linears=(
        *(f"self_attn.linear_{name}" for name in ("q", "k", "v", "out")),
        *(f"{ffn}.{name}_dense" for ffn in ("ffn1", "ffn2") for name in ("intermediate", "output")),
    ),
    feed_forward="ffn2",
    feed_forward_outputs=("ffn1.output_dense", "ffn2.output_dense"),
)


def extractor_of(mel_bins: int, stride: int) -> SeamlessM4TFeatureExtractor:
    """Return the feature extractor of w2v-BERT 2.0 with these settings."""
    return SeamlessM4TFeatureExtractor(feature_size=mel_bins, num_mel_bins=mel_bins, stride=stride)


class W2vBertEncoder(Encoder):
    """The encoder of w2v-BERT 2.0: 50 frames a second, from 35 ms on.

    It has no convolutional front end. The second feed-forward of a block is the one before its final norm.
    """

    def __init__(self, model: PreTrainedModel, name: str, extractor: SeamlessM4TFeatureExtractor) -> None:
        super().__init__(model, name, "wav2vec2-bert", _TRAITS, {})
        self.hidden_size = model.config.hidden_size
        self._prepare_with(extractor)

    def use_preprocessing(self, preprocessing: Mapping[str, Any]) -> None:
        """Use filter banks with other settings."""
        self._prepare_with(extractor_of(preprocessing["mel_bins"], preprocessing["stride"]))

    def _prepare_with(self, extractor: SeamlessM4TFeatureExtractor) -> None:
        values = extractor.num_mel_bins * extractor.stride
        check_bins(self.name, values, self.model.config.feature_projection_input_dim)
        self.preprocessing = {
            "sample_rate": SAMPLE_RATE,
            "mel_bins": extractor.num_mel_bins,
            "stride": extractor.stride,
        }
        self._fbank = Fbank.of(extractor)
        self.frames_per_second = SAMPLE_RATE / (HOP * extractor.stride)
        self.min_samples = self._fbank.min_samples

    @property
    def blocks(self) -> nn.ModuleList:
        """The transformer blocks that were kept."""
        blocks: nn.ModuleList = self.model.encoder.layers
        return blocks

    def frame_lengths(self, samples: Tensor) -> Tensor:
        """Return the valid frames, int64: pairs of whole 10 ms filter-bank frames."""
        return self._fbank.lengths(samples)

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Run the model and return the last hidden state `[batch, frames, dim]`."""
        features = self._fbank(waveforms, lengths).to(self.model.dtype)
        valid = self.frame_lengths(lengths)
        mask = frame_mask(valid, features.shape[1])
        with changed_output(self.model.feature_projection, lambda hidden: self._augmented(hidden, valid)):
            last: Tensor = self.model(features, attention_mask=mask.long()).last_hidden_state
        return last
