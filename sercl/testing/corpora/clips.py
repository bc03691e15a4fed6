"""Tiny audio for fake corpora: tones whose pitch and loudness depend on the emotion."""

import os
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from sercl.corpora.labels import EMOTIONS
from sercl.errors import UsageError


@dataclass(frozen=True)
class FakeSize:
    """How large a fake corpus is.

    Args:
        speakers: How many speakers, or their codes; None takes a few.
        per_emotion: Utterances per speaker and emotion.
        seconds: Length of an utterance.
        same_audio: Whether utterances of one emotion share their audio, which is faster for large fakes.
    """

    speakers: int | Sequence[str] | None = None
    per_emotion: int = 2
    seconds: float = 0.3
    same_audio: bool = False

    def choose(self, valid: Sequence[str], default: int = 4) -> list[str]:
        """Return the codes of the speakers out of those that the corpus has.

        Raises:
            UsageError: For a code that the corpus does not have, or more speakers than it has.
        """
        if self.speakers is None:
            return list(valid[:default])
        if isinstance(self.speakers, int):
            chosen = list(valid[: self.speakers])
            strange = [] if len(chosen) == self.speakers else [str(self.speakers)]
        else:
            chosen = list(self.speakers)
            strange = [code for code in chosen if code not in valid]
        if strange:
            raise UsageError(f"speakers: {strange[0]!r} of {len(valid)} ({valid[0]} to {valid[-1]}).")
        return chosen


@dataclass
class Clips:
    """Writes the audio of one fake corpus.

    Args:
        size: How long clips are, and whether they share their audio.
        rate: Sample rate of the corpus in Hz.
    """

    size: FakeSize
    rate: int
    _shared: dict[tuple[str, int], Path] = field(default_factory=dict)

    def write(self, path: Path, emotion: str, *, channels: int = 1) -> None:
        """Write the audio of one utterance; random numbers are seeded by the path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        first = self._shared.setdefault((emotion, channels), path)
        if self.size.same_audio and first != path:
            _link(first, path)
            return
        samples = tone(emotion, self.size.seconds, self.rate, seed=zlib.crc32(path.name.encode()))
        soundfile.write(path, np.repeat(samples[:, None], channels, axis=1), self.rate)


def tone(emotion: str, seconds: float, rate: int, seed: int = 0) -> np.ndarray:
    """Return a tone of four harmonics in a little noise, float32 [n]; pitch and level depend on the emotion.

    Args:
        emotion: A name of `labels.EMOTIONS`.
        seconds: Length.
        rate: Sample rate in Hz.
        seed: Seeds the detuning (5 %) and the noise.
    """
    generator = np.random.default_rng(seed)
    position = EMOTIONS.index(emotion)
    pitch = 110.0 * 1.15**position * generator.uniform(0.95, 1.05)
    time = np.arange(max(1, round(seconds * rate))) / rate
    harmonics = sum(np.sin(2 * np.pi * pitch * order * time) / order for order in range(1, 5))
    level = 0.3 / (1 + position % 4)
    samples = level * harmonics + 0.005 * generator.standard_normal(len(time))
    return np.clip(samples, -1, 1).astype(np.float32)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
