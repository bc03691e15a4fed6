"""Encoders of the sizes that are in use, with random weights."""

import json
from collections.abc import Callable

import torch
from torch import nn
from transformers import PretrainedConfig, Wav2Vec2Config, WavLMConfig

from sercl.models.encoders import Encoder, rebuild_encoder

SIZES: dict[str, Callable[[], PretrainedConfig]] = {
    "tiny": lambda: Wav2Vec2Config(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128, conv_dim=[64] * 7
    ),
    "wav2vec2-base": Wav2Vec2Config,
    "wavlm-large": lambda: WavLMConfig(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
    ),
}


def build_encoder(size: str) -> Encoder:
    """Return an encoder of a size in `SIZES`, as `load_encoder` would return it."""
    config = SIZES[size]()
    for name in ("layerdrop", "mask_time_prob", "mask_feature_prob"):
        setattr(config, name, 0.0)
    config.apply_spec_augment = False
    parts = {"preprocessor": {"do_normalize": True}, "whisper_form": "padded", "final_norm": True}
    torch.manual_seed(0)
    encoder = rebuild_encoder(
        size, {"model": json.loads(config.to_json_string()), "fingerprint": "random", **parts}
    )
    encoder.requires_grad_(False)
    return encoder


def compile_parts(encoder: Encoder) -> None:
    """Compile each block and each convolutional layer, except the one whose norm needs the lengths."""
    layers = [*encoder.blocks, *encoder.model.feature_extractor.conv_layers]
    for layer in layers:
        if not isinstance(getattr(layer, "layer_norm", None), nn.GroupNorm):
            layer.forward = torch.compile(layer.forward, dynamic=True)
