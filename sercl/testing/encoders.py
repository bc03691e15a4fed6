"""Small encoders with random weights, one per family and norm, in the layout of a hub checkpoint."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoModel,
    Data2VecAudioConfig,
    HubertConfig,
    PretrainedConfig,
    PreTrainedModel,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from sercl.batch import AudioBatch
from sercl.errors import UnknownNameError
from sercl.models.encoders import Encoder, frame_mask, inference
from sercl.models.encoders.weights import quiet_transformers

WHISPER_SECONDS = 10
_FRAMES_PER_SECOND = 50


def tiny_encoder(family: str, folder: Path, *, blocks: int = 3, hidden: int = 16, seed: int = 0) -> Path:
    """Write a small random checkpoint: `config.json`, `model.safetensors`, `preprocessor_config.json`.

    The weights are large enough for attention, positions and norms to matter, so that a test of an exact
    batch or a cut would notice a mistake. The tiny Whisper takes clips of up to `WHISPER_SECONDS` seconds.

    Args:
        family: One of `FAMILIES`.
        folder: Where to write; created if absent.
        blocks: Transformer blocks, at least 1.
        hidden: Width of the hidden states; a multiple of 4.
        seed: Seed of the weights.

    Returns:
        `folder`, a name that `load_encoder` takes.

    Raises:
        UnknownNameError: `family` is not in `FAMILIES`.
    """
    if family not in _CONFIGS:
        raise UnknownNameError("family of tiny encoders", family, FAMILIES)
    random_encoder(_CONFIGS[family](blocks, hidden), folder, seed=seed)
    _save_preprocessor(family, folder)
    return folder


def random_encoder(config: PretrainedConfig, folder: Path, *, seed: int = 0) -> Path:
    """Write a random checkpoint of any config of transformers: `config.json`, `model.safetensors`.

    Args:
        config: The config, of a small model.
        folder: Where to write; created if absent.
        seed: Seed of the weights.

    Returns:
        `folder`, a name that `load_encoder` takes.
    """
    model = WhisperEncoder(config) if config.model_type == "whisper" else AutoModel.from_config(config)
    randomize(model, seed)
    with quiet_transformers():
        model.save_pretrained(folder)
    return folder


def check_encoder(encoder: Encoder, tolerance: float = 1e-4) -> None:
    """Check that an encoder has what sercl relies on: exact batches, and traits that name its parts.

    A clip in a padded batch must give the same hidden states as alone, for any values in the padding, also in
    `inference` mode; every block must have the linear layers that adapters wrap, and call them, except for
    `raw_weight_linears`.

    Args:
        encoder: The encoder, small, as `load_encoder` returns it.
        tolerance: Largest difference between hidden states that are the same.

    Raises:
        AssertionError: For the first check that fails.
    """
    generator = torch.Generator().manual_seed(0)
    clips = [0.1 * torch.randn(size, generator=generator) for size in (16_000, 24_011, 9_600)]
    whole = AudioBatch.from_clips(clips)
    waveforms = torch.where(frame_mask(whole.lengths, whole.waveforms.shape[1]), whole.waveforms, 3.0)
    with torch.no_grad():
        together = encoder(waveforms, whole.lengths)
        with inference(encoder, "fp32"):
            quick = encoder(waveforms, whole.lengths)
        singles = [encoder(clip[None], torch.tensor([len(clip)])) for clip in clips]
    _require(
        len(together.hidden_states) == len(encoder.blocks) + 1, "a hidden state per block, and its input"
    )
    for state in range(encoder.num_states):
        parts = zip(together.clips(state), quick.clips(state), singles, strict=True)
        for row, (batched, fast, single) in enumerate(parts):
            alone = single.clips(state)[0]
            _require(
                alone.shape == (len(batched), encoder.hidden_size), f"frames of clip {row}: {alone.shape}"
            )
            for name, other in (("a padded batch", batched), ("inference mode", fast)):
                gap = float((other - alone).abs().max())
                _require(
                    gap < tolerance, f"hidden state {state} of clip {row} differs by {gap:.2g} in {name}"
                )
    _check_traits(encoder, waveforms, whole.lengths)


def _check_traits(encoder: Encoder, waveforms: Tensor, lengths: Tensor) -> None:
    traits = encoder.traits
    for path in (*traits.front_end, *traits.fixed, *filter(None, [traits.final_norm])):
        encoder.model.get_submodule(path)
    called: set[str] = set()
    with ExitStack() as hooks:
        for name in (*traits.block_linears, traits.feed_forward):
            for place, block in enumerate(encoder.blocks):
                module = block.get_submodule(name)
                _require(name == traits.feed_forward or isinstance(module, nn.Linear), f"{name} is no Linear")
                hook = partial(_note, called, f"{place} {name}")
                hooks.enter_context(module.register_forward_hook(hook))
        encoder.states(waveforms, lengths)
    for name in (*traits.block_linears, traits.feed_forward):
        missed = [place for place in range(len(encoder.blocks)) if f"{place} {name}" not in called]
        is_raw = name in traits.raw_weight_linears
        _require(
            is_raw == bool(missed), f"{name} is {'' if is_raw else 'not '}called; see raw_weight_linears"
        )


def _note(called: set[str], name: str, *_: object) -> None:
    called.add(name)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


@torch.no_grad()
def randomize(model: PreTrainedModel, seed: int) -> None:
    """Draw every weight anew: norms around 1, biases around 0, matrices with variance 1 / fan-in."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in sorted(model.named_parameters()):
        weight.copy_(_draw(name, weight, generator))


def _draw(name: str, weight: Tensor, generator: torch.Generator) -> Tensor:
    noise = torch.randn(weight.shape, generator=generator)
    if weight.ndim == 1:
        return 0.1 * noise + (1.0 if name.endswith("weight") else 0.0)
    return noise / math.sqrt(weight[0].numel())


def _common(blocks: int, hidden: int) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "num_hidden_layers": blocks,
        "num_attention_heads": 2,
        "intermediate_size": 2 * hidden,
    }


def _front_end(norm: str, hidden: int) -> dict[str, Any]:
    return {
        "feat_extract_norm": norm,
        "conv_bias": norm == "layer",
        "conv_dim": [hidden] * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
    }


def _group(config: type[PretrainedConfig]) -> Callable[[int, int], PretrainedConfig]:
    return lambda blocks, hidden: config(
        **_common(blocks, hidden), **_front_end("group", hidden), do_stable_layer_norm=False
    )


def _stable(config: type[PretrainedConfig]) -> Callable[[int, int], PretrainedConfig]:
    return lambda blocks, hidden: config(
        **_common(blocks, hidden), **_front_end("layer", hidden), do_stable_layer_norm=True
    )


def _batch_norm_hubert(blocks: int, hidden: int) -> PretrainedConfig:
    return HubertConfig(**_common(blocks, hidden), **_front_end("group", hidden), conv_pos_batch_norm=True)


def _data2vec(blocks: int, hidden: int) -> PretrainedConfig:
    front_end = _front_end("layer", hidden) | {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 5}
    return Data2VecAudioConfig(**_common(blocks, hidden), **front_end)


def _w2v_bert(blocks: int, hidden: int) -> PretrainedConfig:
    return Wav2Vec2BertConfig(**_common(blocks, hidden), output_hidden_size=hidden)


def _whisper(blocks: int, hidden: int) -> PretrainedConfig:
    return WhisperConfig(
        d_model=hidden,
        encoder_layers=blocks,
        encoder_attention_heads=2,
        encoder_ffn_dim=2 * hidden,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=hidden,
        vocab_size=64,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=3,
        max_source_positions=WHISPER_SECONDS * _FRAMES_PER_SECOND,
    )


_CONFIGS: dict[str, Callable[[int, int], PretrainedConfig]] = {
    "wav2vec2": _group(Wav2Vec2Config),
    "wav2vec2-layer": _stable(Wav2Vec2Config),
    "hubert": _group(HubertConfig),
    "hubert-stable": _stable(HubertConfig),
    "hubert-batch-norm": _batch_norm_hubert,
    "wavlm": _group(WavLMConfig),
    "wavlm-stable": _stable(WavLMConfig),
    "data2vec-audio": _data2vec,
    "wav2vec2-bert": _w2v_bert,
    "whisper": _whisper,
}

FAMILIES: tuple[str, ...] = tuple(_CONFIGS)
"""Every family and norm variant that `tiny_encoder` builds."""


def _save_preprocessor(family: str, folder: Path) -> None:
    if family == "data2vec-audio":
        return  # facebook/data2vec-audio-base has none either
    _preprocessor(family).save_pretrained(folder)


def _preprocessor(
    family: str,
) -> Wav2Vec2FeatureExtractor | SeamlessM4TFeatureExtractor | WhisperFeatureExtractor:
    if family == "whisper":
        return WhisperFeatureExtractor(chunk_length=WHISPER_SECONDS)
    if family == "wav2vec2-bert":
        return SeamlessM4TFeatureExtractor(padding_value=1.0)
    normalize = family != "wavlm"  # microsoft/wavlm-base: attention mask on, normalisation off
    masked = "layer" in family or "stable" in family or family == "wavlm"
    return Wav2Vec2FeatureExtractor(do_normalize=normalize, return_attention_mask=masked)
