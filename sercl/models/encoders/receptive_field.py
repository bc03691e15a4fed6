"""What one frame of stacked convolutions sees of the waveform."""

from collections.abc import Sequence


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> tuple[int, int]:
    """Return the samples that one frame sees and the samples from one frame to the next."""
    field, hop = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * hop
        hop *= stride
    return field, hop
