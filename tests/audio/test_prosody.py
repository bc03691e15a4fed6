import numpy as np
import pytest

from sercl.audio.prosody import BETWEEN_UTTERANCES, EMOTION_PROSODY, Prosody, color, draw, express

RATE = 16_000


def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, 20 * RATE).astype(np.float32)


def band_level(samples: np.ndarray, low: float, high: float) -> float:
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    return float(10 * np.log10(spectrum[(hertz >= low) & (hertz < high)].mean()))


@pytest.mark.parametrize("level", [-6.0, 0.0, 6.0])
def test_level_sets_the_root_mean_square(level: float) -> None:
    colored = color(noise(), RATE, Prosody(level=level, tilt=2.0))
    assert 20 * np.log10(np.sqrt(np.mean(colored**2))) == pytest.approx(-26 + level, abs=0.05)


@pytest.mark.parametrize("tilt", [-2.5, 0.0, 3.0])
def test_tilt_is_in_db_per_octave(tilt: float) -> None:
    colored = color(noise(), RATE, Prosody(tilt=tilt))
    rise = band_level(colored, 4000, 4400) - band_level(colored, 500, 550)
    assert rise == pytest.approx(3 * tilt, abs=0.5)


def test_loud_speech_stays_below_full_scale() -> None:
    clicks = np.zeros(RATE, np.float32)
    clicks[::4000] = 1.0
    assert np.abs(color(clicks, RATE, Prosody(level=30.0))).max() == pytest.approx(0.99)


def test_draws_have_the_spread_asked_for() -> None:
    generator = np.random.default_rng(0)
    drawn = [draw(BETWEEN_UTTERANCES, generator) for _ in range(2000)]
    assert np.std([item.level for item in drawn]) == pytest.approx(BETWEEN_UTTERANCES.level, rel=0.1)
    assert np.mean([item.level for item in drawn]) == pytest.approx(0, abs=0.15)


def test_emotions_differ_on_average_and_overlap_in_single_utterances() -> None:
    generator = np.random.default_rng(0)
    levels = {
        emotion: np.array([express(emotion, Prosody(level=1.0), generator).level for _ in range(500)])
        for emotion in EMOTION_PROSODY
    }
    assert np.mean(levels["neutral"]) == pytest.approx(1.0, abs=0.3)
    assert (
        np.mean(levels["angry"])
        > np.mean(levels["happy"])
        > np.mean(levels["neutral"])
        > np.mean(levels["sad"])
    )
    assert np.quantile(levels["neutral"], 0.95) > np.quantile(levels["happy"], 0.05)


def test_directions_of_the_literature() -> None:
    angry, happy, sad = (EMOTION_PROSODY[name] for name in ("angry", "happy", "sad"))
    for name in ("tempo", "semitones", "span", "level", "tilt"):
        assert getattr(angry, name) > 0
        assert getattr(happy, name) > 0
        assert getattr(sad, name) < 0
