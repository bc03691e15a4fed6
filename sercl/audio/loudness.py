"""Loudness as in ITU-R BS.1770: K-weighted level, with its gates (clips) or without (short pieces).

The gates work on blocks of 0.4 s, but pieces of a diarization clip may be shorter; they exclude silence,
which voice activity detection has removed already. torchaudio's own loudness is 0.3 dB off at 16 kHz, since
its filters are not made for that rate.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sercl.audio.resample import SAMPLE_RATE

# The analogue prototypes of the K filter, which give the table of BS.1770 for 48 kHz (De Man 2014,
# "Evaluation of implementations of the EBU R128 loudness measurement").
_SHELF_HZ, _SHELF_DB, _SHELF_Q, _SHELF_SLOPE = (
    1681.9744509555319,
    3.99984385397,
    0.7071752369554193,
    0.499666774155,
)
_HIGH_PASS_HZ, _HIGH_PASS_Q = 38.13547087613982, 0.5003270373253953
_OFFSET = -0.691

_SILENT = -100.0
_MOST_GAIN = 30.0


def loudness(waveform: Tensor) -> float:
    """Return the K-weighted level of a clip in LUFS, at least -100.

    Args:
        waveform: `[n]` float32 at 16 kHz, n at least 1; of any length.
    """
    power = float(np.square(_weighted(waveform)).mean())
    return max(_SILENT, _OFFSET + 10 * math.log10(power)) if power > 0 else _SILENT


_BLOCK, _BLOCK_HOP = SAMPLE_RATE * 4 // 10, SAMPLE_RATE // 10  # 0.4 s, three quarters of it in common
_ABSOLUTE_GATE, _RELATIVE_GATE = -70.0, 10.0


def gated_loudness(waveform: Tensor) -> float:
    """Return the integrated loudness of a clip in LUFS (ITU-R BS.1770-4), at least -100.

    Args:
        waveform: `[n]` float32 at 16 kHz. A clip that is shorter than a block of 0.4 s, or below the gate of
            -70 LUFS throughout, is measured without gates.
    """
    weighted = torch.from_numpy(_weighted(waveform))
    if len(weighted) < _BLOCK:
        return loudness(waveform)
    power = weighted.unfold(0, _BLOCK, _BLOCK_HOP).square().mean(dim=1)
    levels = _OFFSET + 10 * power.log10()
    audible = power[levels > _ABSOLUTE_GATE]
    if not len(audible):
        return loudness(waveform)
    gate = _OFFSET + 10 * math.log10(float(audible.mean())) - _RELATIVE_GATE
    kept = power[(levels > _ABSOLUTE_GATE) & (levels > gate)]
    return _OFFSET + 10 * math.log10(float(kept.mean()))


_PEAK_RATE = 192_000
"""Rate in Hz at which true peaks are measured: four times 48 kHz, as BS.1770-4 (annex 2) asks for."""


def true_peak(waveform: Tensor) -> float:
    """Return the true peak of a clip in dBTP, at least -100: that of the signal between its samples, too.

    Args:
        waveform: `[n]` float32 at 16 kHz.
    """
    from scipy.signal import resample_poly

    samples = waveform.double().numpy()
    between = resample_poly(samples, _PEAK_RATE // SAMPLE_RATE, 1)
    peak = max(float(np.abs(samples).max(initial=0.0)), float(np.abs(between).max(initial=0.0)))
    return max(_SILENT, 20 * math.log10(peak)) if peak > 0 else _SILENT


def faded(waveform: Tensor, seconds: float) -> Tensor:
    """Return a clip `[n]` at 16 kHz with a fade, half a cosine of `seconds` s, at both ends."""
    length = min(round(seconds * SAMPLE_RATE), len(waveform) // 2)
    ramp = 0.5 - 0.5 * ((torch.arange(length) + 0.5) / length * math.pi).cos() if length else torch.ones(0)
    gain = torch.ones_like(waveform)
    gain[:length], gain[len(gain) - length :] = ramp, ramp.flip(0)
    return waveform * gain


def matched(pieces: Sequence[Tensor]) -> list[Tensor]:
    """Bring pieces to their mean loudness.

    Args:
        pieces: `[n]` float32 at 16 kHz each. Silent ones are unchanged; none is amplified or attenuated by
            more than 30 dB.
    """
    levels = [loudness(piece) for piece in pieces]
    audible = [level for level in levels if level > _SILENT]
    if not audible:
        return list(pieces)
    target = sum(audible) / len(audible)
    gains = [target - level if level > _SILENT else 0.0 for level in levels]
    limited = [max(-_MOST_GAIN, min(_MOST_GAIN, gain)) for gain in gains]
    return [piece * 10 ** (gain / 20) for piece, gain in zip(pieces, limited, strict=True)]


def matched_to_first(pieces: Sequence[Tensor]) -> list[Tensor]:
    """Bring pieces to the level (root mean square, in dB) of the first, as SpeechBrain's ZED recipe does.

    Args:
        pieces: `[n]` float32 each. Silent ones are unchanged, and so are all others if the first is silent.
    """
    levels = [float(piece.square().mean().sqrt()) for piece in pieces]
    return [
        piece * (levels[0] / level) if level > 0 and levels[0] > 0 else piece
        for piece, level in zip(pieces, levels, strict=True)
    ]


def _weighted(waveform: Tensor) -> NDArray[np.float64]:
    from scipy.signal import sosfilt  # takes half a second, which other measures of level should not cost

    weighted: NDArray[np.float64] = sosfilt(k_weighting(SAMPLE_RATE), waveform.numpy())
    return weighted


@lru_cache
def k_weighting(rate: int) -> NDArray[np.float64]:
    """Return the K filter at a rate in Hz as two second-order sections, `[2, 6]`: shelf, then high pass."""
    k, gain = math.tan(math.pi * _SHELF_HZ / rate), 10 ** (_SHELF_DB / 20)
    middle, damping = gain**_SHELF_SLOPE * k / _SHELF_Q, k / _SHELF_Q
    shelf = [gain + middle + k * k, 2 * (k * k - gain), gain - middle + k * k, *_poles(k, damping)]
    k = math.tan(math.pi * _HIGH_PASS_HZ / rate)
    # BS.1770 leaves the zeros of the high pass unscaled.
    poles = np.array(_poles(k, k / _HIGH_PASS_Q))
    return np.stack([np.array(shelf) / shelf[3], np.concatenate([[1.0, -2.0, 1.0], poles / poles[0]])])


def _poles(k: float, damping: float) -> list[float]:
    return [1 + damping + k * k, 2 * (k * k - 1), 1 - damping + k * k]


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
