"""From a checkpoint folder to a transformers model with the encoder alone, cut, in float32."""

import pickle
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModel, PretrainedConfig, PreTrainedModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder
from transformers.utils import logging

from sercl.errors import EncoderError
from sercl.models.encoder_folder import check_block, check_file, depth_key, read_json
from sercl.models.encoders.config import build_model, check_size, config_of, understood
from sercl.models.encoders.regularization import PublishedRates
from sercl.models.encoders.source import check_index, has_weights, weight_files

# The prefix in a checkpoint with a decoder; an encoder saved alone has keys without a prefix.
_WHISPER_PREFIX = {r"^(model\.)?encoder\.": ""}
_MASK = "masked_spec_embed"
_BLOCK = re.compile(r"(?:^|\.)layers\.(\d+)\.")
_ELSEWHERE = re.compile(r"(?:^|\.)(?:decoder|adapter)\.")
# A layer of x-vectors, with the same name as the part of the encoder that contains the convolutions.
_HEADS = frozenset(("feature_extractor.weight", "feature_extractor.bias"))
_BROKEN_FILE = (OSError, ValueError, RuntimeError, EOFError, SafetensorError, pickle.UnpicklingError)


def read_config(folder: Path, last_block: int | None) -> PretrainedConfig:
    """Read the model's config, cut after `last_block`, without SpecAugment, LayerDrop and output adapters.

    The encoder's wrapper does SpecAugment and LayerDrop itself (`Encoder.regularize`): transformers raises if
    a clip is shorter than a mask, and with its LayerDrop, processes would wait for the gradients of a skipped
    block.

    Raises:
        UsageError: The model has no block `last_block`.
        EncoderError: config.json is missing, of another family, or not that of an encoder.
    """
    config = published_config(folder)
    depth = depth_key(config.model_type)
    if last_block is not None:
        check_block(folder, last_block, getattr(config, depth))
        setattr(config, depth, last_block + 1)
    off: dict[str, float | bool] = {
        "layerdrop": 0.0,
        "encoder_layerdrop": 0.0,
        "mask_time_prob": 0.0,
        "mask_feature_prob": 0.0,
        "apply_spec_augment": False,
        # These follow the last block and would change the last hidden state.
        "add_adapter": False,
        "use_intermediate_ffn_before_adapter": False,
        "output_hidden_states": False,
        "output_attentions": False,
    }
    for key, value in off.items():
        if hasattr(config, key):
            setattr(config, key, value)
    return config


def published_config(folder: Path) -> PretrainedConfig:
    """Read the model's config as it is.

    Raises:
        EncoderError: config.json is missing, of another family, or not that of an encoder.
    """
    path = folder / "config.json"
    return config_of(read_json(path), str(path))


def published_rates(folder: Path) -> PublishedRates:
    """Return SpecAugment and LayerDrop as the checkpoint was published with."""
    with understood(str(folder / "config.json")):
        return PublishedRates.of(published_config(folder))


def read_model(folder: Path, config: PretrainedConfig) -> PreTrainedModel:
    """Read the encoder's weights as float32; heads, decoders and upper blocks are left out.

    What SpecAugment puts into masked frames becomes the buffer `mask_filling` (`[dim]`, not of Whisper): it
    is neither part of the fingerprint nor trained.

    Raises:
        EncoderError: There are no weights, the file is broken, or its weights of the encoder do not match
            config.json: some are missing, have another shape, or are not part of the model.
    """
    if not has_weights(folder):
        raise EncoderError(
            f"{folder}: no model.safetensors (or pytorch_model.bin, or their sharded forms) beside "
            "config.json. Copy the weights there, or fetch the checkpoint again."
        )
    for path in weight_files(folder):
        check_file(path)
        if path.suffix == ".json":
            check_index(path)
    held = sum(path.stat().st_size for path in weight_files(folder))
    check_size(published_config(folder), held, str(folder / "config.json"))
    whisper = config.model_type == "whisper"
    if not whisper:
        config.mask_time_prob = 1.0  # with 0, the embedding of masked frames would not be read
    with quiet_transformers(), understood(str(folder)):
        try:
            model, report = (WhisperEncoder if whisper else AutoModel).from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                key_mapping=_WHISPER_PREFIX if whisper else None,
                output_loading_info=True,
                local_files_only=True,
                ignore_mismatched_sizes=True,  # they are refused below, by name
            )
        except _BROKEN_FILE as error:
            raise EncoderError(f"{folder}: the weights cannot be read: {error}") from error
    _check_shapes(folder, report["mismatched_keys"])
    _check_depth(folder, report["unexpected_keys"])
    _check_used(folder, model, report["unexpected_keys"])
    missing = set(report["missing_keys"])
    if hasattr(model, _MASK):
        _keep_mask_filling(model, known=_MASK not in missing)
    _check_complete(folder, sorted(missing - {_MASK}))
    return model


def empty_model(config: dict[str, Any]) -> PreTrainedModel:
    """Build the encoder of a config (the JSON of a transformers config) with arbitrary weights."""
    model = build_model(config_of(config, "the encoder's config in the checkpoint"))
    if hasattr(model, _MASK):
        _keep_mask_filling(model, known=False)
    return model


def _keep_mask_filling(model: PreTrainedModel, known: bool) -> None:
    filling = getattr(model, _MASK).detach()
    delattr(model, _MASK)
    model.config.mask_time_prob = 0.0
    # A checkpoint that was never trained with masks has none; then zeros.
    model.register_buffer("mask_filling", filling if known else torch.zeros_like(filling), persistent=False)


def _check_shapes(folder: Path, mismatched: Iterable[tuple[str, Sequence[int], Sequence[int]]]) -> None:
    """Refuse weights whose shape is not that of config.json."""
    wrong = sorted(mismatched)
    if wrong:
        shown = "; ".join(
            f"{name}: {list(held)}, expected {list(expected)}" for name, held, expected in wrong[:3]
        )
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise EncoderError(
            f"{folder}: config.json does not fit the weights. Held in the weights, and expected by "
            f"config.json: {shown}{more}. Restore the config.json that belongs to these weights, or fetch "
            "the checkpoint again."
        )


def _check_depth(folder: Path, unexpected: Iterable[str]) -> None:
    """Refuse weights of more blocks than config.json has; the blocks that a cut leaves out are in both."""
    own = published_config(folder)
    expected = getattr(own, depth_key(own.model_type))
    numbers = (_BLOCK.search(name) for name in unexpected if not _ELSEWHERE.search(name))
    held = max((int(found[1]) + 1 for found in numbers if found), default=0)
    if held > expected:
        raise EncoderError(
            f"{folder}: config.json says {expected} blocks, but the weights hold {held}. Restore the "
            "config.json that belongs to these weights; to use the lower blocks alone: --model.last_block N."
        )


def _check_used(folder: Path, model: PreTrainedModel, unexpected: Iterable[str]) -> None:
    """Refuse weights inside the encoder for which config.json has no parameters.

    Heads, decoders and quantizers are outside the encoder; blocks above a cut are left out on purpose.
    """
    parts = {name for name, _ in model.named_children()}
    owned = (name.removeprefix(f"{model.base_model_prefix}.") for name in unexpected)
    inside = {name for name in owned if name.partition(".")[0] in parts} - _HEADS
    left = sorted(name for name in inside if not _is_cut(name, model))
    if left:
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        raise EncoderError(
            f"{folder}: config.json has no parameters for {len(left)} weights of the encoder that the "
            f"checkpoint "
            f"holds: {', '.join(left[:3])}{more}. A setting that they need is off or missing in it. Restore "
            "the config.json that belongs to these weights, or fetch the checkpoint again."
        )


def _is_cut(name: str, model: PreTrainedModel) -> bool:
    found = _BLOCK.search(name)
    return found is not None and int(found[1]) >= getattr(model.config, depth_key(model.config.model_type))


def _check_complete(folder: Path, missing: list[str]) -> None:
    if missing:
        raise EncoderError(
            f"{folder}: {len(missing)} weights of the encoder are not in the checkpoint, among them "
            f"{', '.join(missing[:3])}. config.json and the weights do not belong together, or the file "
            "holds another part of the model. Fetch the checkpoint again."
        )


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers' progress bars, and its report of unused weights: a head or a decoder."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
