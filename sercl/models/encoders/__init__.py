"""Pre-trained speech encoders in one wrapper: `load_encoder(name)` gives an `Encoder`."""

from sercl.models.encoders.base import Encoder, EncoderOutput, FamilyTraits
from sercl.models.encoders.inference import PRECISIONS, inference
from sercl.models.encoders.load import load_encoder, rebuild_encoder
from sercl.models.encoders.regularization import Regularization
from sercl.models.encoders.source import PRESETS, Preset

__all__ = [
    "PRECISIONS",
    "PRESETS",
    "Encoder",
    "EncoderOutput",
    "FamilyTraits",
    "Preset",
    "Regularization",
    "inference",
    "load_encoder",
    "rebuild_encoder",
]
