"""Loading an encoder by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PretrainedConfig, SeamlessM4TFeatureExtractor, WhisperFeatureExtractor

from sercl.errors import EncoderError, UsageError
from sercl.models.encoders.base import SAMPLE_RATE, Encoder
from sercl.models.encoders.fingerprint import fingerprint
from sercl.models.encoders.source import checkpoint_folder, read_json, read_preprocessor
from sercl.models.encoders.w2v_bert import W2vBertEncoder
from sercl.models.encoders.wav2vec2 import Wav2Vec2Encoder, wants_normalization
from sercl.models.encoders.weights import read_config, read_model
from sercl.models.encoders.whisper import WhisperEncoder, WhisperForm


def load_encoder(
    name: str,
    *,
    revision: str | None = None,
    last_block: int | None = None,
    whisper_form: str = "padded",
    final_norm: bool = True,
    gradient_checkpointing: bool = False,
) -> Encoder:
    """Load a pre-trained encoder in float32, cut, with every parameter trainable, in evaluation mode.

    Args:
        name: A short name ("wavlm-large"; see `PRESETS`), a hub id or a folder with a checkpoint of wav2vec 2.0,
            XLS-R, MMS, HuBERT, WavLM, data2vec-audio, w2v-BERT 2.0 or Whisper. Checkpoints with a head
            or a decoder will do: only the encoder is loaded.
        revision: Branch, tag or commit on the hub.
        last_block: Last transformer block to keep, counted from 0; None keeps all. Upper blocks are not read.
        whisper_form: "padded" (to 30 s, as Whisper was trained) or "short" (only the clips' own positions,
            faster, other numbers). Other families take no notice of it.
        final_norm: Whether the last hidden state passes the norm that stable-layer-norm models and Whisper end
            in. Without it, a cut encoder gives the hidden state of the uncut one.
        gradient_checkpointing: Recompute blocks in the backward pass to save memory.

    Raises:
        UnknownNameError: `name` is a word that is no short name.
        UsageError: `last_block` or `whisper_form` is not legal.
        EncoderError: The checkpoint cannot be found or read, or is of another kind.
    """
    form = _whisper_form(whisper_form)
    folder = checkpoint_folder(name, revision)
    build = _builder(folder)
    config = read_config(folder, last_block)
    encoder = build(_Checkpoint(name, folder, config, _preprocessor(folder)), form, final_norm)
    encoder.fingerprint = fingerprint(encoder.model)
    if gradient_checkpointing:
        encoder.checkpoint_gradients()
    return encoder.eval()


@dataclass(frozen=True)
class _Checkpoint:
    name: str
    folder: Path
    config: PretrainedConfig
    preprocessor: dict[str, Any] | None


def _wav2vec2(checkpoint: _Checkpoint, form: WhisperForm, final_norm: bool) -> Encoder:
    config = checkpoint.config
    normalize = wants_normalization(config, checkpoint.preprocessor)
    model = read_model(checkpoint.folder, config)
    return Wav2Vec2Encoder(model, checkpoint.name, config.model_type, normalize, final_norm)


def _w2v_bert(checkpoint: _Checkpoint, form: WhisperForm, final_norm: bool) -> Encoder:
    stride = (checkpoint.preprocessor or {}).get("stride", 2)
    bins = checkpoint.config.feature_projection_input_dim // stride
    extractor = SeamlessM4TFeatureExtractor(feature_size=bins, num_mel_bins=bins, stride=stride)
    return W2vBertEncoder(read_model(checkpoint.folder, checkpoint.config), checkpoint.name, extractor)


def _whisper(checkpoint: _Checkpoint, form: WhisperForm, final_norm: bool) -> Encoder:
    preprocessor = checkpoint.preprocessor or {}
    extractor = WhisperFeatureExtractor(
        feature_size=checkpoint.config.num_mel_bins,
        hop_length=preprocessor.get("hop_length", 160),
        n_fft=preprocessor.get("n_fft", 400),
    )
    model = read_model(checkpoint.folder, checkpoint.config)
    return WhisperEncoder(model, checkpoint.name, extractor, form, final_norm)


_BUILDERS: dict[str, Callable[[_Checkpoint, WhisperForm, bool], Encoder]] = {
    "wav2vec2": _wav2vec2,
    "hubert": _wav2vec2,
    "wavlm": _wav2vec2,
    "data2vec-audio": _wav2vec2,
    "wav2vec2-bert": _w2v_bert,
    "whisper": _whisper,
}


def _builder(folder: Path) -> Callable[[_Checkpoint, WhisperForm, bool], Encoder]:
    family = read_json(folder / "config.json").get("model_type")
    if family not in _BUILDERS:
        raise EncoderError(
            f"{folder}: model_type {family!r} in config.json is no encoder that can be used here. Legal: "
            f"{', '.join(_BUILDERS)}."
        )
    return _BUILDERS[family]


def _whisper_form(form: str) -> WhisperForm:
    if form not in list(WhisperForm):
        raise UsageError(f"unknown Whisper form {form!r}. Legal: {', '.join(WhisperForm)}.")
    return WhisperForm(form)


def _preprocessor(folder: Path) -> dict[str, Any] | None:
    preprocessor = read_preprocessor(folder)
    rate = SAMPLE_RATE if preprocessor is None else preprocessor.get("sampling_rate", SAMPLE_RATE)
    if rate != SAMPLE_RATE:
        raise EncoderError(f"{folder}: the encoder takes audio at {rate} Hz. Only 16000 Hz is supported.")
    return preprocessor
