"""How an emotion sounds in the demo's synthetic speech: tempo, pitch, range, level and brightness.

The directions follow two reviews of vocal expression, Banse and Scherer (1996), "Acoustic profiles in vocal
emotion expression", and Juslin and Laukka (2003), "Communication of emotions in vocal expression and music
performance", table 7: anger is fast, loud, high, wide and bright; happiness fast, fairly loud, high and wide;
sadness slow, soft, low, narrow and dull. The effect sizes are our own choice: large enough to be learnt from
a few hundred clips, but small enough, compared with the variation between utterances and speakers, that no
single cue is sufficient.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.fft import next_fast_len

from sercl.audio.files import Samples

_REFERENCE_RMS = 0.05
_LOUDEST = 0.99
_TILT_PIVOT = 1000.0
_TILT_SPAN = (125.0, 8000.0)


@dataclass(frozen=True)
class Prosody:
    """How an utterance differs from a voice's neutral reading.

    Attributes:
        tempo: Natural logarithm of the factor by which it is faster.
        semitones: By which its pitch is higher.
        span: Natural logarithm of the factor by which its pitch range is wider.
        level: dB by which it is louder.
        tilt: dB per octave by which its spectrum rises, around 1 kHz.
    """

    tempo: float = 0.0
    semitones: float = 0.0
    span: float = 0.0
    level: float = 0.0
    tilt: float = 0.0

    def __add__(self, other: Self) -> "Prosody":
        return Prosody(*np.add(astuple(self), astuple(other)).tolist())

    def __mul__(self, factor: float) -> "Prosody":
        return Prosody(*np.multiply(astuple(self), factor).tolist())


EMOTION_PROSODY: Mapping[str, Prosody] = {
    "angry": Prosody(tempo=0.22, semitones=2.5, span=0.5, level=6.0, tilt=3.5),
    "happy": Prosody(tempo=0.12, semitones=5.5, span=0.7, level=3.0, tilt=1.0),
    "neutral": Prosody(),
    "sad": Prosody(tempo=-0.25, semitones=-2.5, span=-0.7, level=-5.0, tilt=-2.5),
}
"""The mean of each emotion."""

BETWEEN_SPEAKERS = Prosody(tempo=0.05, semitones=0.7, span=0.1, level=1.5, tilt=0.3)
"""Standard deviations of speakers' habits, which are the same in all their utterances."""

BETWEEN_UTTERANCES = Prosody(tempo=0.06, semitones=0.8, span=0.15, level=1.5, tilt=0.4)
"""Standard deviations between the utterances of one speaker and emotion."""

_WEAKEST, _STRONGEST = 0.7, 1.2


def draw(spread: Prosody, generator: np.random.Generator) -> Prosody:
    """Draw a prosody from a normal distribution around zero with these standard deviations."""
    return Prosody(*(generator.standard_normal(5) * astuple(spread)).tolist())


def express(emotion: str, habits: Prosody, generator: np.random.Generator) -> Prosody:
    """Draw the prosody of one utterance: a speaker's habits, an emotion of random strength, and chance."""
    strength = float(generator.uniform(_WEAKEST, _STRONGEST))
    return habits + EMOTION_PROSODY[emotion] * strength + draw(BETWEEN_UTTERANCES, generator)


def color(samples: Samples, rate: int, prosody: Prosody) -> Samples:
    """Apply what espeak-ng has no setting for: the tilt of the spectrum, then the level.

    Args:
        samples: `[n]`, float32, not silent.
        rate: Their rate in Hz.
        prosody: `level` is relative to -26 dB root mean square; `tilt` acts from 125 Hz to 8 kHz.

    Returns:
        `[n]`, float32, within -0.99..0.99.
    """
    tilted = _tilt(samples, rate, prosody.tilt)
    level = _REFERENCE_RMS * 10 ** (prosody.level / 20)
    scaled = tilted * level / np.sqrt(np.mean(tilted**2))
    return np.asarray(scaled * min(1.0, _LOUDEST / np.abs(scaled).max()), dtype=np.float32)


def _tilt(samples: Samples, rate: int, decibels: float) -> npt.NDArray[np.float64]:
    length = next_fast_len(len(samples), real=True)
    octaves = np.log2(np.clip(np.fft.rfftfreq(length, 1 / rate), *_TILT_SPAN) / _TILT_PIVOT)
    spectrum = np.fft.rfft(samples, length) * 10 ** (decibels * octaves / 20)
    return np.fft.irfft(spectrum, length)[: len(samples)]
