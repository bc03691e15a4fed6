"""Floating-point operations of encoders of the wav2vec 2.0 kind, counted from their configuration."""

from typing import Any


def clip_operations(config: Any, samples: int) -> int:
    """Return the operations (a multiplication and an addition are two) of all products for one clip alone.

    Norms, activations, softmax and sums are left out: they count as overhead, not as work.

    Args:
        config: A configuration of transformers with a convolutional front end.
        samples: Samples of the clip, enough for a frame.
    """
    frames, operations = front_end(config, samples)
    hidden = config.hidden_size
    per_frame = config.conv_dim[-1] * hidden
    per_frame += config.num_conv_pos_embeddings * hidden * hidden // config.num_conv_pos_embedding_groups
    per_block = 4 * hidden * hidden + 2 * hidden * config.intermediate_size
    attention = 2 * frames * hidden  # scores and mixture
    return operations + 2 * frames * (per_frame + config.num_hidden_layers * (per_block + attention))


def front_end(config: Any, samples: int) -> tuple[int, int]:
    """Return the frames of a clip and the operations of the convolutions that make them."""
    frames, channels, operations = samples, 1, 0
    for width, kernel, stride in zip(config.conv_dim, config.conv_kernel, config.conv_stride, strict=True):
        frames = (frames - kernel) // stride + 1
        operations += 2 * frames * kernel * channels * width
        channels = width
    return frames, operations
