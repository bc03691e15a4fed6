"""The outline of a recording of any length, for pictures. No torch here."""

from pathlib import Path

import numpy as np

from sercl.audio.files import Samples, opened, read_block

_BLOCK_SECONDS = 10.0


def envelope(path: Path | str, most: int = 1600) -> Samples:
    """Return the largest absolute sample of equal stretches, `[n]` float32, 1 <= n <= `most`.

    The file is read block by block, so that memory does not grow with its length. All stretches but the last
    are equally long.

    Args:
        path: The file.
        most: Most stretches.

    Raises:
        AudioNotFoundError: There is no such file.
        AudioError: The file is corrupt, cut short or empty, or a sample is NaN or infinite.
    """
    with opened(path) as file:
        size = max(1, -(-file.frames // most))
        count = -(-file.frames // size)
        at_once = size * max(1, round(_BLOCK_SECONDS * file.samplerate) // size)
        peaks = np.zeros(count, dtype=np.float32)
        for first in range(0, file.frames, at_once):
            samples = np.abs(read_block(file, at_once))
            if len(samples):
                own = np.maximum.reduceat(samples, np.arange(0, len(samples), size))
                peaks[first // size : first // size + len(own)] = own
    return peaks


def envelope_of(samples: Samples, most: int = 1600) -> Samples:
    """Return the same of samples in memory, `[n]`."""
    size = max(1, -(-len(samples) // most))
    return np.maximum.reduceat(np.abs(samples), np.arange(0, len(samples), size)).astype(np.float32)
