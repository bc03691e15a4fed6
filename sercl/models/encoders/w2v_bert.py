"""w2v-BERT 2.0: conformer blocks on filter-bank features."""

from torch import Tensor, nn
from transformers import PreTrainedModel, SeamlessM4TFeatureExtractor

from sercl.models.encoders.base import SAMPLE_RATE, Encoder, FamilyTraits
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


class W2vBertEncoder(Encoder):
    """The encoder of w2v-BERT 2.0: 50 frames a second, from 35 ms on.

    It has no convolutional front end. The second feed-forward of a block is the one before its final norm.
    """

    def __init__(self, model: PreTrainedModel, name: str, extractor: SeamlessM4TFeatureExtractor) -> None:
        preprocessing = {
            "sample_rate": SAMPLE_RATE,
            "mel_bins": extractor.num_mel_bins,
            "stride": extractor.stride,
        }
        super().__init__(model, name, "wav2vec2-bert", _TRAITS, preprocessing)
        self._fbank = Fbank.of(extractor)
        self.hidden_size = model.config.hidden_size
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
