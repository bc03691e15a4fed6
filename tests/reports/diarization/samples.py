from pathlib import Path

import numpy as np
import soundfile

from sercl.diarization.segments import Annotation, ScoredSegment

ITEM = Annotation(
    "talk",
    (
        ScoredSegment(0.0, 1.0, "neutral", 0.9),
        ScoredSegment(1.0, 3.0, "angry", 0.8),
        ScoredSegment(3.0, 4.0, "neutral", 0.7),
    ),
    4.0,
    ((3.5, 4.0),),
)
NOTHING = Annotation("quiet", (ScoredSegment(0.0, 2.0, "neutral", 1.0),), 2.0)


def write_tone(path: Path, seconds: float = 4.0, rate: int = 16_000) -> Path:
    """Write a tone that swells and fades."""
    time = np.arange(round(seconds * rate)) / rate
    soundfile.write(path, 0.4 * np.sin(2 * np.pi * 150 * time) * np.sin(np.pi * time / seconds), rate)
    return path
