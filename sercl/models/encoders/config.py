"""From a config.json of unknown origin to a transformers config of plain numbers and words."""

import copy
import inspect
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from transformers import CONFIG_MAPPING, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from sercl.errors import EncoderError, SerclError
from sercl.models.encoder_folder import check_family, depth_key
from sercl.models.encoders.families import FAMILIES

_LARGEST = 2**20
"""Largest valid whole number in a config; the largest, the vocabulary of MMS, has 150 thousand entries."""
_MOST = {
    "num_hidden_layers": 500,
    "encoder_layers": 500,
    "num_mel_bins": 1024,
    "mel_bins": 1024,
    "hop_length": 2**16,
    "n_fft": 2**16,
    "num_conv_pos_embeddings": 1024,  # those of published encoders are 19 to 128
    "conv_pos_kernel_size": 1024,
}
_RATE = re.compile(r"dropout|layerdrop|_prob$")
_SIZES = frozenset((
    "conv_dim", "conv_kernel", "conv_stride", "conv_depthwise_kernel_size", "conv_pos_kernel_size", "d_model",
    "encoder_attention_heads", "encoder_ffn_dim", "feature_projection_input_dim", "feature_size",
    "hidden_size", "hop_length", "intermediate_size", "max_bucket_distance", "max_source_positions",
    "mel_bins", "n_fft", "num_attention_heads", "num_buckets", "num_conv_pos_embedding_groups",
    "num_conv_pos_embeddings", "num_feat_extract_layers", "num_mel_bins", "stride",
))  # fmt: skip
"""Settings that are counts of at least one."""
_LONGEST_LIST = 10_000
_SHORTEST_HOP = 16  # samples; that of every published encoder is 320
_SLACK = 2**28
_BYTES_PER_VALUE = 4

# Settings that make transformers load code or build long lists, and that the encoder does not need.
_LEFT_OUT = frozenset(inspect.signature(PretrainedConfig).parameters) | {
    "attn_implementation", "auto_map", "base_model_tp_plan", "base_model_pp_plan", "experts_implementation",
    "model_type", "name_or_path", "num_labels", "rope_parameters", "rope_scaling", "trust_remote_code",
    "use_kernels",
}  # fmt: skip


def config_of(content: Mapping[str, Any], where: str) -> PretrainedConfig:
    """Build the config of an encoder from its JSON.

    Args:
        content: Content of the file.
        where: The file, for messages.

    Raises:
        EncoderError: For another family, a quantised model, or values that no encoder can have.
    """
    check_family(content, where)
    family = content["model_type"]
    FAMILIES[family]  # imports the package of such a family, which may register its config with transformers
    if content.get("quantization_config") is not None:
        raise EncoderError(
            f"{where}: the encoder is quantised (quantization_config). Give the original weights."
        )
    if family not in CONFIG_MAPPING:
        raise EncoderError(
            f"{where}: transformers has no config of model_type {family!r}. The package that adds it "
            "must register it: AutoConfig.register."
        )
    kind = CONFIG_MAPPING[family]
    own = set(inspect.signature(kind).parameters) | set(kind.attribute_map)
    kept = {
        name: value
        for name, value in content.items()
        if name not in _LEFT_OUT and (name in own or isinstance(value, bool | int | float | str))
        if not name.startswith("_")
    }
    check_numbers(kept, where, only_known=FAMILIES.plugin(family) is not None)
    with understood(where):
        config = kind.from_dict(kept)
        _check_frames(config, where)
    return config


def check_numbers(content: Mapping[str, Any], where: str, only_known: bool = False) -> None:
    """Raise `EncoderError` for impossible numbers: too large, not sizes, or not probabilities.

    Args:
        content: Settings.
        where: Their file, for messages.
        only_known: Whether to leave out settings that no family of sercl has.
    """
    for name, value in content.items():
        if only_known and not (name in _MOST or name in _SIZES or _RATE.search(name)):
            continue
        values = value if isinstance(value, list) else [value]
        numbers = [number for number in values if isinstance(number, int | float)]
        most = _MOST.get(name, _LARGEST)
        if len(values) > _LONGEST_LIST or any(isinstance(n, int) and abs(n) > most for n in numbers):
            raise EncoderError(f"{where}: {name} is larger than in any encoder (at most {most}).")
        least, most = (0, 1) if _RATE.search(name) else (1 if name in _SIZES else -most, most)
        is_switch = name in _SIZES and any(isinstance(number, bool) for number in numbers)
        if is_switch or not all(least <= number <= most for number in numbers):  # NaN is outside, too
            raise EncoderError(f"{where}: {name} is {str(value)[:80]}; valid: {least} to {most}.")


def _check_frames(config: PretrainedConfig, where: str) -> None:
    """Raise `EncoderError` for a front end with a very small stride, since attention would take forever."""
    if hasattr(config, "conv_stride") and math.prod(config.conv_stride) < _SHORTEST_HOP:
        raise EncoderError(
            f"{where}: conv_stride {config.conv_stride} makes a frame of {math.prod(config.conv_stride)} "
            f"samples; valid: at least {_SHORTEST_HOP}."
        )


def check_size(config: PretrainedConfig, held: int, where: str) -> None:
    """Raise `EncoderError` if a config describes a model far larger than its weights.

    Args:
        config: The config, not cut.
        held: Size of the weights, in bytes.
        where: The config's file, for messages.
    """
    needed = _BYTES_PER_VALUE * _count_values(config, where)
    # Weights may be stored in as little as one byte each.
    if needed > 2 * _BYTES_PER_VALUE * held + _SLACK:
        raise EncoderError(
            f"{where}: does not fit the weights: it describes a model of {needed / 2**30:,.1f} GiB, but the "
            f"weights have {held / 2**30:,.1f} GiB. Restore the config.json that belongs to them."
        )


def _count_values(config: PretrainedConfig, where: str) -> int:
    """Return a model's number of parameters, from its first two blocks: the others are like the second."""
    key, counts = depth_key(config.model_type), []
    with understood(where), torch.device("meta"):
        for blocks in (1, 2):
            small = copy.deepcopy(config)
            setattr(small, key, blocks)
            model = build_model(small)
            counts.append(sum(value.numel() for value in (*model.parameters(), *model.buffers())))
        return int(counts[0] + (getattr(config, key) - 1) * (counts[1] - counts[0]))


def build_model(config: PretrainedConfig) -> PreTrainedModel:
    """Build the encoder of a config with arbitrary weights."""
    return WhisperEncoder(config) if config.model_type == "whisper" else AutoModel.from_config(config)


@contextmanager
def understood(where: str) -> Iterator[None]:
    """Convert any error of transformers about unusable settings into an `EncoderError`."""
    try:
        yield
    except (SerclError, MemoryError, ImportError):
        raise
    except Exception as error:
        # For wrong settings, transformers and torch raise anything from KeyError to ZeroDivisionError.
        reason = " ".join(str(error).split())[:200]
        raise EncoderError(
            f"{where}: no encoder can be built from its settings ({type(error).__name__}: {reason}). "
            "Restore the file, or fetch the checkpoint again."
        ) from error
