"""Pre-trained speech encoders in one wrapper: `load_encoder(name)` gives an `Encoder`."""

from sercl.models.encoders.base import Encoder, EncoderOutput, FamilyTraits
from sercl.models.encoders.load import load_encoder, rebuild_encoder
from sercl.models.encoders.presets import PRESETS, Preset

__all__ = ["PRESETS", "Encoder", "EncoderOutput", "FamilyTraits", "Preset", "load_encoder", "rebuild_encoder"]
