"""Hashes of the weights of an encoder, and of everything that one of its hidden states depends on."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

# Origin, storage format, depth (the blocks show it) and names of classes change no hidden state.
_NO_MATTER = (
    "_name_or_path",
    "architectures",
    "dtype",
    "encoder_layers",
    "id2label",
    "label2id",
    "num_hidden_layers",
    "torch_dtype",
    "transformers_version",
)


DECISIVE = (
    "activation_function",
    "conv_depthwise_kernel_size",
    "conv_kernel",
    "conv_pos_batch_norm",
    "conv_pos_kernel_size",
    "conv_stride",
    "do_stable_layer_norm",
    "encoder_attention_heads",
    "feat_extract_activation",
    "feat_extract_norm",
    "feat_proj_layer_norm",
    "hidden_act",
    "layer_norm_eps",
    "left_max_position_embeddings",
    "max_bucket_distance",
    "max_source_positions",
    "num_attention_heads",
    "num_buckets",
    "num_conv_pos_embedding_groups",
    "num_conv_pos_embeddings",
    "position_embeddings_type",
    "right_max_position_embeddings",
    "rotary_embedding_base",
    "scale_embedding",
)
"""Settings of a model that change its hidden states although the same weights fit."""


def decisive_settings(config: PretrainedConfig) -> dict[str, Any]:
    """Return those of `DECISIVE` that a model has, as plain data."""
    plain = json.loads(config.to_json_string(use_diff=False))
    return {name: plain[name] for name in DECISIVE if name in plain}


def fingerprint(model: nn.Module) -> str:
    """Return the SHA-256, in hex, of the model's state dict, independent of file, precision and device.

    Two models agree when their tensors have the same names, shapes and (as float32) values.
    """
    total = hashlib.sha256()
    for line in _lines(model).values():
        total.update(line)
    return total.hexdigest()


def state_fingerprints(
    model: PreTrainedModel, blocks: nn.ModuleList, final_norm: str | None
) -> tuple[str, ...]:
    """Return the SHA-256, in hex, of everything that each hidden state of a model depends on.

    That is the model's settings, the weights before the blocks and those of the blocks up to the state; for
    the last state also the final norm. So the states of a cut model have the fingerprints of the whole one.

    Args:
        model: The model, as it is now.
        blocks: Its N transformer blocks.
        final_norm: The norm after the last block, relative to the model; None if there is none.

    Returns:
        N + 1 fingerprints, in the order of the hidden states.
    """
    lines = _lines(model)
    inside, norm = _prefix(model, blocks), f"{final_norm}."
    before = [line for name, line in lines.items() if not name.startswith((inside, norm))]
    total = hashlib.sha256(_settings(model))
    found = []
    for part in (before, *(_below(lines, f"{inside}{index}.") for index in range(len(blocks)))):
        for line in part:
            total.update(line)
        found.append(total.hexdigest())
    for line in _below(lines, norm):
        total.update(line)
    return (*found[:-1], total.hexdigest())


def _settings(model: PreTrainedModel) -> bytes:
    """Return what the weights' values do not show: heads, activations, strides, and their precision."""
    config = json.loads(model.config.to_json_string(use_diff=False))
    kept = {key: value for key, value in config.items() if key not in _NO_MATTER}
    precisions = sorted({str(tensor.dtype) for tensor in model.state_dict().values()})
    return json.dumps([kept, precisions], sort_keys=True).encode()


def _below(lines: dict[str, bytes], prefix: str) -> list[bytes]:
    return [line for name, line in lines.items() if name.startswith(prefix)]


def _prefix(model: nn.Module, blocks: nn.ModuleList) -> str:
    return next(f"{name}." for name, module in model.named_modules() if module is blocks)


def _lines(model: nn.Module) -> dict[str, bytes]:
    """Return name, shape and digest of each tensor, as bytes, by name in sorted order."""
    state = dict(sorted(model.state_dict().items()))
    # hashlib releases the interpreter lock, so threads run in parallel.
    with ThreadPoolExecutor() as executor:
        digests = executor.map(_digest, state.values())
        return {
            name: f"{name} {tuple(tensor.shape)} ".encode() + digest
            for (name, tensor), digest in zip(state.items(), digests, strict=True)
        }


def _digest(tensor: Tensor) -> bytes:
    values = tensor.float() if tensor.is_floating_point() else tensor
    data = values.detach().cpu().contiguous().flatten().view(torch.uint8)
    return hashlib.sha256(data.numpy().data).digest()
