"""A test of headphones: a tone that is only heard when each ear gets its own channel. No torch.

Huggins' pitch, as in Milne et al. 2021 (doi:10.3758/s13428-020-01514-0): both channels have the same noise,
but in a narrow band the phase of one is turned, by 0 to 360 degrees from its lower to its upper edge. With
headphones a faint tone is heard; over loudspeakers, whose sounds mix in the air, hardly. About 80 % of
listeners with headphones pass, and 20 % of others.
"""

import io

import numpy as np
import soundfile

from sercl.listening.order import draw

TRIALS, INTERVALS = 6, 3
_RATE, _SECONDS, _GAP = 44100, 1.0, 0.5
_TONE, _WIDTH = 600.0, 0.06
_LEVEL = 0.05


def interval_with_tone(session: str, trial: int) -> int:
    """Return which of the three noises of a trial has the tone, from 0."""
    return int(draw("headphones", session, trial), 16) % INTERVALS


def sound(session: str, trial: int) -> bytes:
    """Return a trial as a stereo WAV file."""
    random = np.random.default_rng(int(draw("noise", session, trial)[:16], 16))
    silence = np.zeros((int(_GAP * _RATE), 2))
    parts = []
    for interval in range(INTERVALS):
        parts += [_noise(random, interval == interval_with_tone(session, trial)), silence]
    file = io.BytesIO()
    soundfile.write(file, np.concatenate(parts[:-1]), _RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _noise(random: np.random.Generator, has_tone: bool) -> np.ndarray:
    """Return `[samples, 2]`: white noise below 4 kHz, with faded ends."""
    count = int(_SECONDS * _RATE)
    spectrum = np.fft.rfft(random.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / _RATE)
    spectrum[frequency > 4000] = 0
    other = spectrum.copy()
    if has_tone:
        band = np.abs(frequency / _TONE - 1) <= _WIDTH
        turned = np.linspace(0, 2 * np.pi, int(band.sum()))
        other[band] *= np.exp(1j * turned)
    both: np.ndarray = np.stack([np.fft.irfft(spectrum, count), np.fft.irfft(other, count)], axis=1)
    fade: np.ndarray = np.minimum(1, np.minimum(np.arange(count), np.arange(count)[::-1]) / (0.02 * _RATE))
    scaled: np.ndarray = both / np.sqrt(np.mean(both**2)) * _LEVEL * fade[:, None]
    return scaled


def passed(right: int) -> bool:
    """Return whether so many right answers are a pass: five of six, as published."""
    return right >= TRIALS - 1
