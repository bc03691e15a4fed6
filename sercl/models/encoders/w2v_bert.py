"""w2v-BERT 2.0: conformer blocks on filter-bank features."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel, SeamlessM4TFeatureExtractor

from sercl.models.encoders.base import SAMPLE_RATE, Encoder, FamilyTraits
from sercl.models.encoders.config import check_bins
from sercl.models.encoders.fbank import HOP, Fbank
from sercl.models.encoders.masking import frame_mask
from sercl.models.encoders.spec_augment import changed_output

_TRAITS = FamilyTraits(
    block_linears=(
        *(f"self_attn.linear_{name}" for name in ("q", "k", "v", "out")),
        *(f"{ffn}.{name}_dense" for ffn in ("ffn1", "ffn2") for name in ("intermediate", "output")),
    ),
    feed_forward="ffn2",
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
        """Make the filter banks of other settings."""
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
