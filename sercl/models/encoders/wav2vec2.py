"""wav2vec 2.0 (XLS-R, MMS), HuBERT, WavLM and data2vec-audio: a convolutional front end on the waveform."""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from sercl.models.encoders.base import SAMPLE_RATE, Checkpoint, Encoder, FamilyTraits, States
from sercl.models.encoders.fast.attention import position_bias
from sercl.models.encoders.fast.cores import on_all_cores
from sercl.models.encoders.fast.wav2vec2 import FastWav2Vec2, fits
from sercl.models.encoders.masking import (
    MaskedGroupNorm,
    changed_output,
    frame_mask,
    masked_inputs,
    receptive_field,
)

_ATTENTION = tuple(f"attention.{name}_proj" for name in ("q", "k", "v", "out"))
_FEED_FORWARD = ("feed_forward.intermediate_dense", "feed_forward.output_dense")
_NORM_EPSILON = 1e-7  # of transformers' Wav2Vec2FeatureExtractor

# transformers passes WavLM's padding mask to torch as bool and its position bias as float; torch adds them.
warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask and attn_mask", UserWarning)


class Wav2Vec2Encoder(Encoder):
    """An encoder of the wav2vec 2.0 kind: 49 or 50 frames of 20 ms a second, from 25 ms on.

    The group norm of base-sized models covers only each row's valid frames, the attention mask is always
    passed, and the input of the positional convolutions is zero beyond each row's end. The checkpoint decides
    whether waveforms are normalised to zero mean and unit variance first.
    """

    def __init__(
        self, model: PreTrainedModel, name: str, family: str, normalize: bool, final_norm: bool
    ) -> None:
        stable = bool(getattr(model.config, "do_stable_layer_norm", False))
        if stable and not final_norm:
            model.encoder.layer_norm = nn.Identity()
        traits = _traits(family, stable)
        super().__init__(model, name, family, traits, {"sample_rate": SAMPLE_RATE, "normalize": normalize})
        self.hidden_size = model.config.hidden_size
        self._kernels, self._strides = tuple(model.config.conv_kernel), tuple(model.config.conv_stride)
        self.min_samples, hop = receptive_field(self._kernels, self._strides)
        self.frames_per_second = SAMPLE_RATE / hop
        self._group_norm = _mask_group_norm(model)
        # Set by transformers for re-entrant checkpointing; it would build a graph through a frozen front end.
        model.feature_extractor._requires_grad = False

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> Self:
        """Wrap a loaded checkpoint of this family, or of one with the same modules."""
        config = checkpoint.model.config
        normalize = wants_normalization(config, checkpoint.preprocessor)
        return cls(checkpoint.model, checkpoint.name, config.model_type, normalize, checkpoint.final_norm)

    @property
    def blocks(self) -> nn.ModuleList:
        """The transformer blocks that were kept."""
        blocks: nn.ModuleList = self.model.encoder.layers
        return blocks

    def use_preprocessing(self, preprocessing: Mapping[str, Any]) -> None:
        """Switch normalisation of waveforms to zero mean and unit variance on or off."""
        self.preprocessing = dict(preprocessing)

    def frame_lengths(self, samples: Tensor) -> Tensor:
        """Return the valid frames, int64: the output length of the convolutions."""
        return self._after_convolutions(samples, len(self._kernels))

    def _after_convolutions(self, samples: Tensor, count: int) -> Tensor:
        frames = samples
        for kernel, stride in zip(self._kernels[:count], self._strides[:count], strict=True):
            frames = (frames - kernel).div(stride, rounding_mode="floor") + 1
        return frames

    def encode(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Run the model and return the last hidden state `[batch, frames, dim]`."""
        waveforms = self._normalize(waveforms, lengths)
        sample_mask = frame_mask(lengths, waveforms.shape[1])
        frames = int(self.frame_lengths(torch.tensor(waveforms.shape[1])))
        positional = [m for m in self.model.encoder.pos_conv_embed.modules() if isinstance(m, nn.Conv1d)]
        valid = self.frame_lengths(lengths)
        with ExitStack() as exact:
            exact.enter_context(
                changed_output(self.model.feature_projection, lambda hidden: self._augmented(hidden, valid))
            )
            exact.enter_context(masked_inputs(positional, frame_mask(valid, frames)))
            if self._group_norm is not None:
                exact.enter_context(self._group_norm.over(self._after_convolutions(lengths, 1).tolist()))
            last: Tensor = self.model(
                waveforms.to(self.model.dtype), attention_mask=sample_mask.long()
            ).last_hidden_state
        return last

    def fast_states(self, dtype: torch.dtype, depth: int | None = None) -> States | None:
        """Build a faster function for the same hidden states on the CPU; see `Encoder.fast_states`."""
        if not fits(self.model):
            return None
        model = FastWav2Vec2(self.model, dtype, depth)

        def states(waveforms: Tensor, lengths: Tensor) -> Sequence[Tensor]:
            normalized = self._normalize(waveforms, lengths)
            clips = [row[:length] for row, length in zip(normalized, lengths.tolist(), strict=True)]
            return on_all_cores(model, clips)

        return states

    def block_arguments(self, clips: Sequence[int]) -> dict[str, Any]:
        """Return WavLM's position biases, from its first block; else nothing."""
        attention: Any = self.model.encoder.layers[0].attention
        if not hasattr(attention, "rel_attn_embed"):
            return {}
        with torch.no_grad():
            return {"position_bias": position_bias(attention, clips)}

    def _normalize(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        return standardize_waveforms(waveforms, lengths) if self.preprocessing["normalize"] else waveforms


def standardize_waveforms(waveforms: Tensor, lengths: Tensor) -> Tensor:
    """Normalise each row's valid samples to zero mean and unit variance, as Wav2Vec2FeatureExtractor does.

    Args:
        waveforms: `[batch, samples]` float32, zero beyond each row's length.
        lengths: `[batch]` integers.

    Returns:
        `[batch, samples]`, zero beyond each row's length.
    """
    valid = frame_mask(lengths, waveforms.shape[1])
    mean = waveforms.sum(1) / lengths
    centred = (waveforms - mean[:, None]).masked_fill(~valid, 0.0)
    variance = centred.square().sum(1) / lengths
    return centred / (variance + _NORM_EPSILON).sqrt()[:, None]


def wants_normalization(config: Any, preprocessor: Mapping[str, Any] | None) -> bool:
    """Return whether a checkpoint needs waveforms of zero mean and unit variance.

    The checkpoint's preprocessor config decides. Without one, models with layer norm in the front end do
    (as their pre-training did) and models with group norm do not.
    """
    if preprocessor is None:
        return bool(getattr(config, "feat_extract_norm", "layer") == "layer")
    return bool(preprocessor.get("do_normalize", True))


def _traits(family: str, stable: bool) -> FamilyTraits:
    return FamilyTraits(
        block_linears=_ATTENTION + _FEED_FORWARD,
        feed_forward="feed_forward",
        raw_weight_linears=_ATTENTION if family == "wavlm" else (),
        feed_forward_outputs=_FEED_FORWARD[1:],
        front_end=("feature_extractor",),
        final_norm="encoder.layer_norm" if stable else None,
        first_droppable=1 if family == "wavlm" else 0,  # as in transformers: it holds the relative positions
    )


def _mask_group_norm(model: PreTrainedModel) -> MaskedGroupNorm | None:
    first = model.feature_extractor.conv_layers[0]
    norm = getattr(first, "layer_norm", None)
    if not isinstance(norm, nn.GroupNorm):
        return None
    masked = MaskedGroupNorm.replacing(norm)
    first.layer_norm = masked
    return masked
