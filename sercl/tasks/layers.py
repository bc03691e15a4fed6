"""The encoder with as many blocks as the chosen layer needs."""

from typing import Any

from sercl.errors import NoBlockError
from sercl.models.encoder_folder import check_layer
from sercl.models.encoders import Encoder, load_encoder, rebuild_encoder


def default_layer(adapter: str) -> str:
    """Return the layer choice of a model that was given none."""
    return "auto" if adapter == "none" else "last"


def encoder_for_layer(
    name: str,
    layer: int | str,
    last_block: int | None,
    revision: str | None,
    whisper_form: str,
    gradient_checkpointing: bool,
    config: dict[str, Any] | None = None,
) -> Encoder:
    """Load the encoder with the blocks that are needed, or rebuild it from what a full checkpoint says of it.

    Blocks above a numbered layer would run for nothing. Without them hidden state k is the last, and no norm
    stands behind it, as in the whole model.

    Args:
        name: As for `load_encoder`, like the others but `layer` and `config`.
        layer: Hidden state that is read.
        last_block: Where the user cuts the encoder.
        revision: On the hub.
        whisper_form: "padded" or "short".
        gradient_checkpointing: Whether blocks are recomputed in the backward pass.
        config: `Encoder.config` that a checkpoint stored; None for an encoder that is loaded.
    """
    if config is not None:
        return rebuild_encoder(name, config, gradient_checkpointing=gradient_checkpointing)
    by_layer = isinstance(layer, int) and layer > 0 and last_block is None
    try:
        return load_encoder(
            name,
            revision=revision,
            last_block=layer - 1 if by_layer and isinstance(layer, int) else last_block,
            final_norm=not by_layer,
            whisper_form=whisper_form,
            gradient_checkpointing=gradient_checkpointing,
        )
    except NoBlockError as error:
        if by_layer:
            check_layer(error.encoder, int(layer), error.blocks)
        raise
