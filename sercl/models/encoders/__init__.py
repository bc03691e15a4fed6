"""Pre-trained speech encoders in one wrapper: `load_encoder(name)` gives an `Encoder`."""

from sercl.torch_pair import torchaudio  # noqa: F401 - before transformers, which imports it

# isort: split
from sercl.models.encoders.base import Checkpoint, Encoder, EncoderOutput, FamilyTraits
from sercl.models.encoders.inference import PRECISIONS, infer_with, inference
from sercl.models.encoders.load import block_count, load_encoder, rebuild_encoder
from sercl.models.encoders.masking import frame_mask, masked_inputs
from sercl.models.encoders.regularization import Regularization
from sercl.models.encoders.source import PRESETS, Preset
from sercl.models.encoders.wav2vec2 import Wav2Vec2Encoder

__all__ = [
    "PRECISIONS",
    "PRESETS",
    "Checkpoint",
    "Encoder",
    "EncoderOutput",
    "FamilyTraits",
    "Preset",
    "Regularization",
    "Wav2Vec2Encoder",
    "block_count",
    "frame_mask",
    "infer_with",
    "inference",
    "load_encoder",
    "masked_inputs",
    "rebuild_encoder",
]
