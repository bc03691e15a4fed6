"""A small encoder with random weights, for the demo: no download, no pre-training."""

from pathlib import Path

import torch
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from sercl.errors import OutputError
from sercl.models.encoders.weights import quiet_transformers

SECONDS = 10


def write_random_encoder(
    folder: Path, *, blocks: int = 3, hidden: int = 96, heads: int = 4, seed: int = 0
) -> Path:
    """Write an encoder of Whisper's shape with freshly drawn weights, in the layout of a hub checkpoint.

    Args:
        folder: The folder; created if missing.
        blocks: Transformer blocks.
        hidden: Width of the hidden states, a multiple of `heads`.
        heads: Attention heads.
        seed: Seed of the weights.

    Returns:
        The folder, which `load_encoder` accepts. Clips may be up to `SECONDS` s long.

    Raises:
        OutputError: The folder cannot be written.
    """
    config = WhisperConfig(
        d_model=hidden,
        encoder_layers=blocks,
        encoder_attention_heads=heads,
        encoder_ffn_dim=2 * hidden,
        max_source_positions=50 * SECONDS,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = WhisperEncoder(config)
    try:
        with quiet_transformers():  # a progress bar for a single small file is useless
            model.save_pretrained(folder)
            WhisperFeatureExtractor(chunk_length=SECONDS).save_pretrained(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}).") from error
    return folder
