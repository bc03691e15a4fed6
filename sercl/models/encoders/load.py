"""Loading an encoder by name, and rebuilding it from a checkpoint of sercl."""

import json
from pathlib import Path
from typing import Any

from sercl.errors import EncoderError, UsageError
from sercl.models.encoder_folder import depth_key
from sercl.models.encoders.base import SAMPLE_RATE, Checkpoint, Encoder
from sercl.models.encoders.config import check_numbers, understood
from sercl.models.encoders.families import wrap
from sercl.models.encoders.fingerprint import fingerprint
from sercl.models.encoders.source import checkpoint_folder, location_of, read_preprocessor
from sercl.models.encoders.weights import (
    empty_model,
    published_config,
    published_rates,
    read_config,
    read_model,
)
from sercl.models.encoders.whisper import WhisperForm


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
        name: A short name ("wavlm-large"; see `PRESETS`), a hub id, or a folder with a checkpoint of wav2vec
            2.0, XLS-R, MMS, HuBERT, WavLM, data2vec-audio, w2v-BERT 2.0, Whisper, or a family that an
            installed package adds. Checkpoints may have a head or a decoder: only the encoder is loaded.
        revision: Branch, tag or commit on the hub.
        last_block: Last transformer block to keep, counted from 0; None keeps all. Upper blocks are not read.
        whisper_form: "padded" (to 30 s, as Whisper was trained) or "short" (only the clips' own positions;
            faster, with other hidden states). Ignored by other families.
        final_norm: Whether the last hidden state passes the final norm of stable-layer-norm models and
            Whisper. Without it, a cut encoder returns the hidden state of the whole one.
        gradient_checkpointing: Recompute blocks in the backward pass to save memory.

    Raises:
        UnknownNameError: `name` is not a known short name.
        UsageError: `last_block` or `whisper_form` is not valid.
        EncoderError: The checkpoint cannot be found or read, or is of another kind.
    """
    form = _whisper_form(whisper_form)
    folder = checkpoint_folder(name, revision)
    config, preprocessor = read_config(folder, last_block), _preprocessor(folder)
    checkpoint = Checkpoint(name, read_model(folder, config), preprocessor, form, final_norm)
    with understood(str(folder)):
        encoder = wrap(checkpoint)
    encoder.location = location_of(name)
    encoder.published = published_rates(folder)
    encoder.fingerprint = fingerprint(encoder.model)
    encoder.config = _config(checkpoint, encoder.fingerprint)
    if gradient_checkpointing:
        encoder.checkpoint_gradients()
    return encoder.eval()


def block_count(name: str, revision: str | None = None) -> int:
    """Return the number of transformer blocks of an encoder, whose weights are not read.

    Args:
        name: As for `load_encoder`.
        revision: As for `load_encoder`.

    Raises:
        UnknownNameError: `name` is not a known short name.
        EncoderError: The checkpoint cannot be found or read, or is of another kind.
    """
    config = published_config(checkpoint_folder(name, revision))
    return int(getattr(config, depth_key(config.model_type)))


def rebuild_encoder(name: str, config: dict[str, Any], *, gradient_checkpointing: bool = False) -> Encoder:
    """Build an encoder without its checkpoint; its weights are arbitrary until a state dict is loaded.

    Args:
        name: The name that it was loaded with.
        config: `Encoder.config` of the encoder to rebuild; the fingerprint is taken from there.
        gradient_checkpointing: As for `load_encoder`.
    """
    if not {"model", "preprocessor", "whisper_form", "final_norm", "fingerprint"} <= config.keys():
        raise EncoderError("the stored config of the encoder lacks parts. Leave --model.encoder_config out.")
    form = _whisper_form(config["whisper_form"])
    model = empty_model(config["model"])
    encoder = wrap(Checkpoint(name, model, config["preprocessor"], form, config["final_norm"]))
    encoder.fingerprint, encoder.config = config["fingerprint"], config
    if gradient_checkpointing:
        encoder.checkpoint_gradients()
    return encoder.eval()


def _config(checkpoint: Checkpoint, fingerprint: str) -> dict[str, Any]:
    return {
        "model": json.loads(checkpoint.model.config.to_json_string()),
        "preprocessor": checkpoint.preprocessor,
        "whisper_form": checkpoint.whisper_form,
        "final_norm": checkpoint.final_norm,
        "fingerprint": fingerprint,
    }


def _whisper_form(form: str) -> str:
    if form not in list(WhisperForm):
        raise UsageError(f"unknown Whisper form {form!r}. Valid: {', '.join(WhisperForm)}.")
    return str(form)


def _preprocessor(folder: Path) -> dict[str, Any] | None:
    preprocessor = read_preprocessor(folder)
    rate = SAMPLE_RATE if preprocessor is None else preprocessor.get("sampling_rate", SAMPLE_RATE)
    if rate != SAMPLE_RATE:
        raise EncoderError(
            f"{folder}: the encoder takes audio at {str(rate)[:80]} Hz. Only 16000 Hz is supported."
        )
    check_numbers(preprocessor or {}, f"{folder}: the feature extractor's settings")
    return preprocessor
