"""The picture of a sound that a page draws, computed here so that browsers need not decode it. No torch."""

from pathlib import Path

import numpy as np
import soundfile

MOST = 1200
"""Points of the picture."""


def peaks(path: Path, most: int = MOST) -> list[float]:
    """Return the largest magnitudes in at most `most` equal parts of a file, relative to the largest."""
    samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    magnitude = np.abs(samples).max(axis=1)
    if not len(magnitude):
        return []
    edges = np.linspace(0, len(magnitude), min(most, len(magnitude)) + 1).astype(int)[:-1]
    found = np.maximum.reduceat(magnitude, edges)
    return [round(float(value), 3) for value in found / max(float(found.max()), 1e-9)]
