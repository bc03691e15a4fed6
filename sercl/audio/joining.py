"""Joining pieces of audio by cross-fades."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor


def join(pieces: Sequence[Tensor], fade: int) -> tuple[Tensor, list[int]]:
    """Put pieces one after the other, each fading into the next with constant power.

    Args:
        pieces: `[n]` float32 each, at least one.
        fade: Samples of a cross-fade; at a joint with a piece shorter than twice that, half of the piece.

    Returns:
        The waveform, and the samples at the middle of each cross-fade, one fewer than pieces.
    """
    waveform, boundaries = pieces[0], []
    for before, after in pairwise(pieces):
        length = overlap(len(before), len(after), fade)
        boundaries.append(len(waveform) - length // 2)
        waveform = _crossfaded(waveform, after, length)
    return waveform, boundaries


def overlap(before: int, after: int, fade: int) -> int:
    """Return the length of the cross-fade of two pieces of `before` and `after` samples."""
    return min(fade, before // 2, after // 2)


def _crossfaded(before: Tensor, after: Tensor, length: int) -> Tensor:
    if length == 0:
        return torch.cat([before, after])
    angle = (torch.arange(length) + 0.5) / length * (math.pi / 2)
    mixed = before[-length:] * angle.cos() + after[:length] * angle.sin()
    return torch.cat([before[:-length], mixed, after[length:]])
