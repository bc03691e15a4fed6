"""Loading an encoder by name, and rebuilding it from a checkpoint of sercl."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from sercl.errors import EncoderError, UsageError
from sercl.models.encoders import w2v_bert, whisper
from sercl.models.encoders.base import SAMPLE_RATE, Encoder
from sercl.models.encoders.config import check_numbers, understood
from sercl.models.encoders.fingerprint import fingerprint
from sercl.models.encoders.source import checkpoint_folder, location_of, read_preprocessor
from sercl.models.encoders.w2v_bert import W2vBertEncoder
from sercl.models.encoders.wav2vec2 import Wav2Vec2Encoder, wants_normalization
from sercl.models.encoders.weights import (
    empty_model,
    published_rates,
    read_config,
    read_model,
)
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
        name: A short name ("wavlm-large"; see `PRESETS`), a hub id, or a folder with a checkpoint of
            wav2vec 2.0, XLS-R, MMS, HuBERT, WavLM, data2vec-audio, w2v-BERT 2.0 or Whisper. Checkpoints with
            a head or a decoder will do: only the encoder is loaded.
        revision: Branch, tag or commit on the hub.
        last_block: Last transformer block to keep, counted from 0; None keeps all. Upper blocks are not read.
        whisper_form: "padded" (to 30 s, as Whisper was trained) or "short" (only the clips' own positions,
            faster, other numbers). Other families take no notice of it.
        final_norm: Whether the last hidden state passes the norm that stable-layer-norm models and Whisper
            end in. Without it, a cut encoder gives the hidden state of the uncut one.
        gradient_checkpointing: Recompute blocks in the backward pass to save memory.

    Raises:
        UnknownNameError: `name` is a word that is no short name.
        UsageError: `last_block` or `whisper_form` is not valid.
        EncoderError: The checkpoint cannot be found or read, or is of another kind.
    """
    form = _whisper_form(whisper_form)
    folder = checkpoint_folder(name, revision)
    config, preprocessor = read_config(folder, last_block), _preprocessor(folder)
    parts = _Parts(read_model(folder, config), preprocessor, form, final_norm)
    with understood(str(folder)):
        encoder = parts.wrap(name)
    encoder.location = location_of(name)
    encoder.published = published_rates(folder)
    encoder.fingerprint = fingerprint(encoder.model)
    encoder.config = parts.config(encoder.fingerprint)
    if gradient_checkpointing:
        encoder.checkpoint_gradients()
    return encoder.eval()


def rebuild_encoder(name: str, config: dict[str, Any], *, gradient_checkpointing: bool = False) -> Encoder:
    """Build an encoder without its checkpoint; its weights are arbitrary until a state dict is loaded.

    Args:
        name: The name it was loaded by.
        config: `Encoder.config` of the encoder to rebuild; the fingerprint is taken from there.
        gradient_checkpointing: As for `load_encoder`.
    """
    if not {"model", "preprocessor", "whisper_form", "final_norm", "fingerprint"} <= config.keys():
        raise EncoderError("the stored config of the encoder lacks parts. Leave --model.encoder_config out.")
    form = _whisper_form(config["whisper_form"])
    parts = _Parts(empty_model(config["model"]), config["preprocessor"], form, config["final_norm"])
    encoder = parts.wrap(name)
    encoder.fingerprint, encoder.config = config["fingerprint"], config
    if gradient_checkpointing:
        encoder.checkpoint_gradients()
    return encoder.eval()


@dataclass(frozen=True)
class _Parts:
    """What an encoder is made of."""

    model: PreTrainedModel
    preprocessor: dict[str, Any] | None
    form: WhisperForm
    final_norm: bool

    def wrap(self, name: str) -> Encoder:
        return _FAMILIES[self.model.config.model_type](name, self)

    def config(self, fingerprint: str) -> dict[str, Any]:
        return {
            "model": json.loads(self.model.config.to_json_string()),
            "preprocessor": self.preprocessor,
            "whisper_form": str(self.form),
            "final_norm": self.final_norm,
            "fingerprint": fingerprint,
        }


def _wav2vec2(name: str, parts: _Parts) -> Encoder:
    config = parts.model.config
    normalize = wants_normalization(config, parts.preprocessor)
    return Wav2Vec2Encoder(parts.model, name, config.model_type, normalize, parts.final_norm)


def _w2v_bert(name: str, parts: _Parts) -> Encoder:
    stride = (parts.preprocessor or {}).get("stride", 2)
    bins = parts.model.config.feature_projection_input_dim // stride
    return W2vBertEncoder(parts.model, name, w2v_bert.extractor_of(bins, stride))


def _whisper(name: str, parts: _Parts) -> Encoder:
    preprocessor = parts.preprocessor or {}
    extractor = whisper.extractor_of(
        parts.model.config.num_mel_bins, preprocessor.get("hop_length", 160), preprocessor.get("n_fft", 400)
    )
    return WhisperEncoder(parts.model, name, extractor, parts.form, parts.final_norm)


_FAMILIES: dict[str, Callable[[str, _Parts], Encoder]] = {
    "wav2vec2": _wav2vec2,
    "hubert": _wav2vec2,
    "wavlm": _wav2vec2,
    "data2vec-audio": _wav2vec2,
    "wav2vec2-bert": _w2v_bert,
    "whisper": _whisper,
}


def _whisper_form(form: str) -> WhisperForm:
    if form not in list(WhisperForm):
        raise UsageError(f"unknown Whisper form {form!r}. Valid: {', '.join(WhisperForm)}.")
    return WhisperForm(form)


def _preprocessor(folder: Path) -> dict[str, Any] | None:
    preprocessor = read_preprocessor(folder)
    rate = SAMPLE_RATE if preprocessor is None else preprocessor.get("sampling_rate", SAMPLE_RATE)
    if rate != SAMPLE_RATE:
        raise EncoderError(
            f"{folder}: the encoder takes audio at {str(rate)[:80]} Hz. Only 16000 Hz is supported."
        )
    check_numbers(preprocessor or {}, f"{folder}: the feature extractor's settings")
    return preprocessor
