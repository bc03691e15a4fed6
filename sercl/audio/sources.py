"""Audio as callers in Python give it: a file, or samples with their rate; and clips batched by length."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from torch import Tensor

from sercl.audio.files import Samples, read
from sercl.audio.resample import SAMPLE_RATE, to_rate
from sercl.audio.scan import SILENCE_DBFS
from sercl.errors import SerclError, UsageError

AudioInput: TypeAlias = str | Path | tuple[np.ndarray | Tensor, int]
"""A file, or a waveform (`[samples]`, or `[channels, samples]`) with its rate in Hz."""

WINDOW = 64
"""Number of inputs that are decoded together and sorted by length, which bounds memory on long streams."""


class DecodedInput(NamedTuple):
    """A decoded input: its position in the call, its name, and its waveform `[samples]` float32 at 16 kHz."""

    number: int
    name: str
    waveform: Tensor


def name_of(source: AudioInput, number: int) -> str:
    """Return what messages call an input: the file as given, or "input N" for a waveform (0-based)."""
    return f"input {number}" if isinstance(source, tuple) else str(source)


def waveform_of(source: AudioInput, start: float | None = None, end: float | None = None) -> Tensor:
    """Return an input, or a stretch of a file, as a waveform `[samples]`, float32, mono, at 16 kHz.

    Args:
        source: A file, or samples with their rate.
        start: Seconds into the file where the stretch begins, None for its start; not for samples.
        end: Seconds into the file where it ends, None for its end; not for samples.

    Raises:
        AudioError: The file or its samples are unusable.
        UsageError: For silence, or samples that are not a waveform.
    """
    samples, rate = as_mono(*source) if isinstance(source, tuple) else read(Path(source), start, end)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < 10 ** (SILENCE_DBFS / 20):
        raise UsageError(f"silent (its peak is under {SILENCE_DBFS:g} dBFS): there is no speech in it.")
    return to_rate(samples, rate)


def as_mono(samples: np.ndarray | Tensor, rate: int) -> tuple[Samples, int]:
    """Return samples in memory (`[n]`, or `[channels, n]`) as mono `[n]` float32, with their rate in Hz.

    Raises:
        UsageError: For another shape, no samples, or one that is NaN or infinite.
    """
    array = np.asarray(samples, dtype=np.float32)
    mono = array.mean(axis=0) if array.ndim == 2 else array
    if mono.ndim != 1 or mono.size == 0 or not np.isfinite(mono).all():
        raise UsageError("a waveform must be [samples] or [channels, samples], not empty, without NaN.")
    return mono, rate


def is_waveform(value: object) -> bool:
    """Return whether an input is a waveform with its rate, not a file."""
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], int | np.integer)


def reason_of(error: SerclError, name: str) -> str:
    """Return an error's text without the leading name of the input."""
    return str(error).removeprefix(f"{name}: ")


def batches(clips: Sequence[DecodedInput], seconds: float) -> Iterator[list[DecodedInput]]:
    """Yield clips, shortest first, in batches of at most `seconds` s of padded audio (or a single clip)."""
    batch: list[DecodedInput] = []
    for clip in sorted(clips, key=lambda clip: len(clip.waveform)):  # so the newest is the longest
        if batch and (len(batch) + 1) * len(clip.waveform) > seconds * SAMPLE_RATE:
            yield batch
            batch = []
        batch.append(clip)
    if batch:
        yield batch
