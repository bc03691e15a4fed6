"""Random regularization of an encoder in training: dropout, SpecAugment and LayerDrop."""

from dataclasses import dataclass
from typing import Any, Self

from torch import nn

from sercl.errors import UnknownNameError, UsageError
from sercl.models.encoders.masking import NO_MASKS, SpanMasks

OFF, CHECKPOINT = "off", "checkpoint"
_PRESETS = (OFF, CHECKPOINT)
_PARTS = ("dropout", "spec_augment", "layer_drop")
_RATES = ("dropout", "attention_dropout", "activation_dropout")
"""Attributes in which transformers stores the rates of dropouts that are not modules."""


@dataclass(frozen=True)
class Regularization:
    """Dropout, SpecAugment and LayerDrop of the encoder in training; a frozen encoder never has any.

    Args:
        preset: Value of all options below that are null: off, or checkpoint (the rates that the encoder was
            published with). Null: off, except for the checkpoint's dropouts if the encoder itself is trained
            (adapter full).
        dropout: The encoder's own dropouts: off, checkpoint, or one rate for all of them. Null: the preset.
        spec_augment: Masked spans of frames before the blocks (Whisper: in the spectrogram): off,
            checkpoint, or the fraction of frames. Null: the preset.
        layer_drop: Skipped blocks: off, checkpoint, or the probability of each. Null: the preset.

    Raises:
        UnknownNameError: For another word.
        UsageError: For a number that is not from 0 to below 1.
    """

    # bool: YAML 1.1 reads a plain off as false
    preset: str | bool | None = None
    dropout: float | str | bool | None = None
    spec_augment: float | str | bool | None = None
    layer_drop: float | str | bool | None = None

    def __post_init__(self) -> None:
        for name in ("preset", *_PARTS):
            if getattr(self, name) is False:
                object.__setattr__(self, name, OFF)
            _check(name, getattr(self, name))

    def chosen(self, part: str, trains_encoder: bool) -> float | str:
        """Return off, checkpoint or a number for "dropout", "spec_augment" or "layer_drop".

        Args:
            part: One of these.
            trains_encoder: Whether the encoder's own weights are trained.
        """
        default = CHECKPOINT if trains_encoder and part == "dropout" else OFF
        value = next(v for v in (getattr(self, part), self.preset, default) if v is not None)
        return float(value) if not isinstance(value, str) else value


@dataclass(frozen=True)
class PublishedRates:
    """SpecAugment and LayerDrop in a checkpoint's config; its dropouts are in the model.

    Attributes:
        time: Masked spans of frames.
        features: Masked spans of features, the same in all frames of a clip.
        layer_drop: Probability of skipping a block.
    """

    time: SpanMasks = NO_MASKS
    features: SpanMasks = NO_MASKS
    layer_drop: float = 0.0

    @classmethod
    def of(cls, config: Any) -> Self:
        """Read the rates from a transformers config as it was published."""
        masked = getattr(config, "apply_spec_augment", True)  # as transformers reads it
        time, features = (_masks(config, axis, masked) for axis in ("time", "feature"))
        drop = getattr(config, "encoder_layerdrop", None)  # Whisper's; its decoder has one of its own
        return cls(time, features, float(getattr(config, "layerdrop", 0.0) if drop is None else drop))


def set_dropout(model: nn.Module, rate: float) -> None:
    """Set every dropout of a transformers encoder to one rate."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = rate
        for name in _RATES:
            if isinstance(vars(module).get(name), float | int):
                setattr(module, name, rate)


def has_dropout(model: nn.Module) -> bool:
    """Return whether any dropout of a transformers encoder has a rate above 0; adapters are left out."""
    rates = [getattr(model, "p", 0.0)] if isinstance(model, nn.Dropout) else []
    rates += [vars(model).get(name) for name in _RATES]
    own = any(isinstance(rate, float | int) and rate > 0 for rate in rates)
    # An adapter keeps the layer that it wraps under this name.
    return own or any(has_dropout(each) for each in model.children() if not hasattr(each, "base_layer"))


def _masks(config: Any, axis: str, masked: bool) -> SpanMasks:
    return SpanMasks(
        share=float(getattr(config, f"mask_{axis}_prob", 0.0)) if masked else 0.0,
        length=int(getattr(config, f"mask_{axis}_length", SpanMasks.length)),
        least=int(getattr(config, f"mask_{axis}_min_masks", SpanMasks.least)),
    )


def _check(name: str, value: float | str | bool | None) -> None:
    if value is None or value in _PRESETS:
        return
    if name == "preset" or isinstance(value, bool | str):
        raise UnknownNameError(f"regularization.{name}", value, _PRESETS)
    if not 0 <= value < 1:
        valid = f"from 0 to below 1, or {' or '.join(_PRESETS)}"
        raise UsageError(f"regularization.{name} is {value}; it must be {valid}.")
