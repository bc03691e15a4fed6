"""The Whisper encoder and its log-mel features, padded to 30 s as trained or cut to the clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel, WhisperFeatureExtractor
from transformers.masking_utils import create_bidirectional_mask

from sercl.models.encoders.base import SAMPLE_RATE, Encoder, FamilyTraits, States, check_bins
from sercl.models.encoders.fast.cores import on_all_cores
from sercl.models.encoders.fast.whisper import FastWhisper, fits
from sercl.models.encoders.masking import frame_mask

_FLOOR = 1e-10
_RANGE = 8.0  # values further below the loudest bin (in powers of ten) are raised to this


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


_MEL_PER_FRAME = 2  # stride of the second convolution

_TRAITS = FamilyTraits(
    block_linears=(*(f"self_attn.{name}_proj" for name in ("q", "k", "v", "out")), "fc1", "fc2"),
    feed_forward="fc2",
    feed_forward_outputs=("fc2",),
    front_end=("conv1", "conv2"),
    fixed=("embed_positions",),
    final_norm="layer_norm",
)


class WhisperForm(StrEnum):
    """The form in which Whisper gets a clip.

    Attributes:
        PADDED: Padded with silence to 30 s, all 1500 positions, no attention mask: as it was trained.
        SHORT: Only the clip's own positions, padding masked. Faster, but with other results than the padded
            form.
    """

    PADDED = "padded"
    SHORT = "short"


def extractor_of(mel_bins: int, hop_length: int, n_fft: int) -> WhisperFeatureExtractor:
    """Return the feature extractor of Whisper with these settings."""
    return WhisperFeatureExtractor(feature_size=mel_bins, hop_length=hop_length, n_fft=n_fft)


class WhisperEncoder(Encoder):
    """The encoder half of Whisper: 50 frames a second, clips of up to 30 s.

    A clip of n samples has ceil(n / 320) valid frames; those of the silence after it do not count.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        name: str,
        extractor: WhisperFeatureExtractor,
        form: WhisperForm,
        final_norm: bool,
    ) -> None:
        if not final_norm:
            model.layer_norm = nn.Identity()
        super().__init__(model, name, "whisper", _TRAITS, {})
        self.hidden_size = model.config.d_model
        self._positions = model.config.max_source_positions
        self._prepare_with(extractor, form)

    def use_preprocessing(self, preprocessing: Mapping[str, Any]) -> None:
        """Use log-mel spectrograms with other settings, in the form that these name."""
        sizes = (preprocessing[name] for name in ("mel_bins", "hop_length", "n_fft"))
        self._prepare_with(extractor_of(*sizes), WhisperForm(preprocessing["whisper_form"]))

    def _prepare_with(self, extractor: WhisperFeatureExtractor, form: WhisperForm) -> None:
        check_bins(self.name, extractor.feature_size, self.model.config.num_mel_bins)
        self.preprocessing = _preprocessing(extractor, form)
        self._form, self._log_mel = form, LogMel.of(extractor)
        self._hop = _MEL_PER_FRAME * extractor.hop_length
        self.frames_per_second = SAMPLE_RATE / self._hop
        self.min_samples = extractor.n_fft
        self.max_samples = self._positions * self._hop

    @property
    def blocks(self) -> nn.ModuleList:
        """The transformer blocks that were kept."""
        blocks: nn.ModuleList = self.model.layers
        return blocks

    def frame_lengths(self, samples: Tensor) -> Tensor:
        """Return the valid frames, int64: ceil(samples / 320)."""
        return torch.div(samples + self._hop - 1, self._hop, rounding_mode="floor")

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Run the model and return the last hidden state `[batch, frames, dim]`."""
        features, mel_mask = self._features(waveforms, lengths)
        valid = self.frame_lengths(lengths) * _MEL_PER_FRAME
        features = self._augmented(features.transpose(1, 2), valid).transpose(1, 2)
        return self._run(features.to(self.model.dtype), mel_mask)

    def fast_states(self, dtype: torch.dtype, depth: int | None = None) -> States | None:
        """Build a faster function for the same hidden states on the CPU; see `Encoder.fast_states`."""
        if not fits(self.model):
            return None
        model = FastWhisper(self.model, dtype, depth)

        def states(waveforms: Tensor, lengths: Tensor) -> Sequence[Tensor]:
            features, mel_mask = self._features(waveforms, lengths)
            counts = [features.shape[-1]] * len(features) if mel_mask is None else mel_mask.sum(1).tolist()
            clips = [row[:, :count] for row, count in zip(features, counts, strict=True)]
            return on_all_cores(model, clips)

        return states

    def _features(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return log-mel features `[batch, bins, frames]` and, in the short form, which of them are valid."""
        if self._form is WhisperForm.PADDED:
            return self._log_mel(waveforms, self._positions * _MEL_PER_FRAME), None
        frames = self.frame_lengths(lengths)
        count = int(frames.max())
        mel_mask = frame_mask(frames * _MEL_PER_FRAME, count * _MEL_PER_FRAME)
        return self._log_mel(waveforms, count * _MEL_PER_FRAME, mel_mask), mel_mask

    def _run(self, features: Tensor, mel_mask: Tensor | None) -> Tensor:
        # WhisperEncoder.forward of transformers, which refuses any length but 30 s and takes no mask.
        model = self.model
        # Padding has no effect on valid frames here: it is zero in the features, and the second convolution
        # reaches only from mel frame 2k - 1 to 2k + 1, while each row has twice as many mel frames as frames.
        hidden = F.gelu(model.conv2(F.gelu(model.conv1(features)))).transpose(1, 2)
        hidden = hidden + model.embed_positions.weight[: hidden.shape[1]]
        hidden = F.dropout(hidden, p=model.dropout, training=self.training)
        attention_mask = self._attention_mask(hidden, mel_mask)
        for block in self.blocks:
            output = block(hidden, attention_mask)
            hidden = output[0] if isinstance(output, tuple) else output
        last: Tensor = model.layer_norm(hidden)
        return last

    def _attention_mask(self, hidden: Tensor, mel_mask: Tensor | None) -> Tensor | None:
        if mel_mask is None:
            return None
        mask: Tensor | None = create_bidirectional_mask(
            config=self.model.config, inputs_embeds=hidden, attention_mask=mel_mask[:, ::_MEL_PER_FRAME]
        )
        return mask


def _preprocessing(extractor: WhisperFeatureExtractor, form: WhisperForm) -> dict[str, Any]:
    return {
        "sample_rate": SAMPLE_RATE,
        "mel_bins": extractor.feature_size,
        "n_fft": extractor.n_fft,
        "hop_length": extractor.hop_length,
        "whisper_form": str(form),
    }
