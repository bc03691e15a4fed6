"""The families of encoders: how each wraps a loaded checkpoint, by the `model_type` of transformers."""

from collections.abc import Callable

from sercl.errors import UsageError
from sercl.models.encoders import w2v_bert, whisper
from sercl.models.encoders.base import Checkpoint, Encoder
from sercl.models.encoders.w2v_bert import W2vBertEncoder
from sercl.models.encoders.wav2vec2 import Wav2Vec2Encoder
from sercl.models.encoders.whisper import WhisperEncoder, WhisperForm
from sercl.plugins import ENCODERS, Registry

Family = Callable[[Checkpoint], Encoder]
"""Builds an encoder from a loaded checkpoint: a function, or a class with such a constructor."""


def _w2v_bert(checkpoint: Checkpoint) -> Encoder:
    stride = (checkpoint.preprocessor or {}).get("stride", 2)
    bins = checkpoint.model.config.feature_projection_input_dim // stride
    return W2vBertEncoder(checkpoint.model, checkpoint.name, w2v_bert.extractor_of(bins, stride))


def _whisper(checkpoint: Checkpoint) -> Encoder:
    model, preprocessor = checkpoint.model, checkpoint.preprocessor or {}
    extractor = whisper.extractor_of(
        model.config.num_mel_bins, preprocessor.get("hop_length", 160), preprocessor.get("n_fft", 400)
    )
    form = WhisperForm(checkpoint.whisper_form)
    return WhisperEncoder(model, checkpoint.name, extractor, form, checkpoint.final_norm)


def _adopt(name: str, thing: object) -> Family:
    if not callable(thing):
        raise UsageError(
            f"it must be a function from a Checkpoint to an Encoder, but is a {type(thing).__name__}"
        )
    return thing


FAMILIES: Registry[Family] = Registry(
    "encoder family",
    ENCODERS,
    _adopt,
    {
        "wav2vec2": Wav2Vec2Encoder.of,
        "hubert": Wav2Vec2Encoder.of,
        "wavlm": Wav2Vec2Encoder.of,
        "data2vec-audio": Wav2Vec2Encoder.of,
        "wav2vec2-bert": _w2v_bert,
        "whisper": _whisper,
    },
)
"""Family by the `model_type` of transformers; `encoder_folder.FAMILIES` names those of sercl itself."""


def wrap(checkpoint: Checkpoint) -> Encoder:
    """Return the encoder of a loaded checkpoint.

    Raises:
        PluginError: For the family of an installed package that cannot be used.
        UsageError: If such a package gives something other than an encoder.
    """
    family = checkpoint.model.config.model_type
    encoder = FAMILIES[family](checkpoint)
    if not isinstance(encoder, Encoder):
        raise UsageError(f"encoder family {family!r}: must return an Encoder, but returns {encoder!r:.80}")
    return encoder
