"""Audio of any length in constant memory: blocks of a file, resampled, cut into overlapping windows."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sercl.audio.files import Samples, opened, read_block
from sercl.audio.resample import SAMPLE_RATE, resampler
from sercl.errors import UsageError

_BLOCK_SECONDS = 10.0


@dataclass(frozen=True)
class Window:
    """A stretch of a recording, with some context before and after it.

    Attributes:
        index: Number of the window, from 0.
        start: Its first sample, counted in the recording at `SAMPLE_RATE`.
        waveform: `[n]` float32.
        last: Whether the recording ends with it.
    """

    index: int
    start: int
    waveform: Tensor
    last: bool


@dataclass(frozen=True)
class WindowPlan:
    """How a recording is cut into windows.

    Args:
        seconds: Length of a window in s.
        context: Outer part on each side, in s, which only serves as context: neighbours overlap by twice
            that.
        hop: Lengths are rounded to multiples of this number of samples: an encoder's step from frame to
            frame.

    Raises:
        UsageError: If nothing remains between the two contexts, or a number is out of its range.
    """

    seconds: float = 30.0
    context: float = 1.0
    hop: int = 320

    def __post_init__(self) -> None:
        if not self.context >= 0 or self.hop < 1 or not math.isfinite(self.seconds):
            given = f"windows of {self.seconds} s with {self.context} s of context"
            raise UsageError(f"{given}: give finite lengths, 0 or more.")
        if self.step < self.hop:
            raise UsageError(
                f"windows of {self.seconds:g} s leave nothing between {self.context:g} s of context on each "
                "side. Make them longer, or the context shorter."
            )

    @property
    def size(self) -> int:
        """Samples of a window: `step` and two contexts."""
        return round(self.seconds * SAMPLE_RATE) // self.hop * self.hop

    @property
    def outer(self) -> int:
        """Samples of context on each side."""
        return math.ceil(self.context * SAMPLE_RATE / self.hop) * self.hop

    @property
    def step(self) -> int:
        """Samples from one window to the next."""
        return self.size - 2 * self.outer


def blocks_of(path: Path | str, seconds: float = _BLOCK_SECONDS) -> Iterator[Tensor]:
    """Decode a file block by block to mono at `SAMPLE_RATE`.

    Args:
        path: The file, of any rate, length and number of channels.
        seconds: Length of a block in s.

    Yields:
        Waveforms `[n]` float32; all of them together are the recording.

    Raises:
        AudioNotFoundError: There is no such file.
        AudioError: The file is corrupt, cut short or empty, or a sample is NaN or infinite.
    """
    with opened(path) as file:
        size = max(1, round(seconds * file.samplerate))
        raw = (read_block(file, size) for _ in range(0, file.frames, size))
        yield from resampled(raw, file.samplerate)


def resampled(blocks: Iterable[Samples | Tensor], rate: int, target: int = SAMPLE_RATE) -> Iterator[Tensor]:
    """Resample consecutive blocks as if they were one, with the kernel of `to_rate`.

    Args:
        blocks: `[n]` float32 each.
        rate: Their rate in Hz.
        target: The rate wanted, in Hz.

    Yields:
        Waveforms `[n]` float32.
    """
    if rate == target:
        yield from (torch.as_tensor(block, dtype=torch.float32) for block in blocks)
        return
    ratio = Fraction(target, rate)
    stream = _Resampling(ratio.denominator, ratio.numerator)
    for block in blocks:
        yield from stream.push(torch.as_tensor(block, dtype=torch.float32))
    yield from stream.finish()


class _Resampling:
    """Resamples the blocks received so far, except for the end, where the kernel still lacks samples.

    `before` input samples become `after` output samples. Blocks are cut at multiples of `before`, where an
    output sample coincides with an input sample, and overlap by the width of the kernel.
    """

    def __init__(self, before: int, after: int) -> None:
        self._before, self._after = before, after
        self._kernel = resampler(before, after)
        self._margin = math.ceil(self._kernel.width / before) + 1
        self._held = torch.zeros(0)
        self._skip = 0

    def push(self, block: Tensor) -> Iterator[Tensor]:
        self._held = torch.cat([self._held, block])
        whole = len(self._held) // self._before - self._margin
        if whole <= self._skip:
            return
        converted = self._kernel(self._held)
        yield converted[self._skip * self._after : whole * self._after]
        kept = max(0, whole - self._margin)
        self._held = self._held[kept * self._before :].clone()
        self._skip = whole - kept

    def finish(self) -> Iterator[Tensor]:
        if len(self._held) > self._skip * self._before:
            yield self._kernel(self._held)[self._skip * self._after :]


def windows(blocks: Iterable[Tensor], plan: WindowPlan) -> Iterator[Window]:
    """Cut consecutive blocks into overlapping windows.

    Window k begins at sample `k * plan.step`. The last one is the remainder: longer than two contexts, unless
    the whole recording is shorter, and at most `plan.size` long.

    Args:
        blocks: `[n]` float32 each.
        plan: Lengths.

    Yields:
        Windows in order; none for a recording without samples.
    """
    held, index = torch.zeros(0), 0
    for block in blocks:
        held = torch.cat([held, block])
        # One sample more than a window, to know whether a window is the last.
        while len(held) > plan.size:
            yield Window(index, index * plan.step, held[: plan.size].clone(), last=False)
            held, index = held[plan.step :].clone(), index + 1
    if len(held):
        yield Window(index, index * plan.step, held, last=True)


def in_blocks(samples: Samples | Tensor, size: int = round(_BLOCK_SECONDS * SAMPLE_RATE)) -> Iterator[Tensor]:
    """Yield a waveform in memory, `[n]`, in blocks of `size` samples."""
    waveform = torch.as_tensor(np.asarray(samples), dtype=torch.float32)
    if len(waveform):
        yield from torch.split(waveform, size)


_ENVELOPE_SECONDS = 10.0


def envelope(path: Path | str, most: int = 1600) -> Samples:
    """Return the largest absolute sample of equal stretches, `[n]` float32, 1 <= n <= `most`.

    The file is read block by block, so memory does not grow with its length. All stretches except the last
    are equally long.

    Args:
        path: The file.
        most: Maximum number of stretches.

    Raises:
        AudioNotFoundError: There is no such file.
        AudioError: The file is corrupt, cut short or empty, or a sample is NaN or infinite.
    """
    with opened(path) as file:
        size = max(1, -(-file.frames // most))
        count = -(-file.frames // size)
        at_once = size * max(1, round(_ENVELOPE_SECONDS * file.samplerate) // size)
        peaks = np.zeros(count, dtype=np.float32)
        for first in range(0, file.frames, at_once):
            samples = np.abs(read_block(file, at_once))
            if len(samples):
                own = np.maximum.reduceat(samples, np.arange(0, len(samples), size))
                peaks[first // size : first // size + len(own)] = own
    return peaks


def envelope_of(samples: Samples, most: int = 1600) -> Samples:
    """Return the same for samples in memory, `[n]`."""
    size = max(1, -(-len(samples) // most))
    return np.maximum.reduceat(np.abs(samples), np.arange(0, len(samples), size)).astype(np.float32)
