"""Masks of SpecAugment (Park et al. 2019) as wav2vec 2.0 has them: spans of frames, spans of features."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class SpanMasks:
    """How much of an axis is masked.

    Attributes:
        share: Upper bound of what is masked, 0 to 1: spans may overlap.
        length: Places in a span.
        least: Spans at least, where `share` is above 0 and they fit.
    """

    share: float = 0.0
    length: int = 10
    least: int = 0


NO_MASKS = SpanMasks()


def draw_spans(lengths: Sequence[int], size: int, masks: SpanMasks) -> Tensor:
    """Draw which places are masked.

    A row that is shorter than a span is not masked. What lies behind a row's length never is.

    Args:
        lengths: Valid places per row.
        size: Padded length.
        masks: How much is masked.

    Returns:
        `[rows, size]` bool, on the CPU.
    """
    chosen = torch.zeros(len(lengths), size, dtype=torch.bool)
    if masks.share > 0:
        for row, length in zip(chosen, lengths, strict=True):
            starts = max(0, length - masks.length + 1)
            wanted = int(masks.share * length / masks.length + float(torch.rand(())))
            count = min(max(wanted, masks.least), length // masks.length, starts)
            for start in torch.randperm(starts)[:count].tolist():
                row[start : start + masks.length] = True
    return chosen


def spec_augment(
    hidden: Tensor, lengths: Sequence[int], time: SpanMasks, features: SpanMasks, filling: Tensor
) -> Tensor:
    """Mask spans of valid frames, and spans of features.

    Args:
        hidden: `[batch, frames, dim]`.
        lengths: Valid frames per row.
        time: How many frames are masked.
        features: How many features.
        filling: `[dim]` or `[]`, what stands in masked frames; masked features are zero.
    """
    frames = draw_spans(lengths, hidden.shape[1], time).to(hidden.device)
    hidden = torch.where(frames[:, :, None], filling.to(hidden), hidden)
    columns = draw_spans([hidden.shape[2]] * len(hidden), hidden.shape[2], features).to(hidden.device)
    return hidden.masked_fill(columns[:, None, :], 0.0)


@contextmanager
def changed_output(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Let the (first) output of a module pass through a function within the context."""

    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
