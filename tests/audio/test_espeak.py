import sys

import numpy as np
import pytest

from sercl.audio.espeak import Synthesizer
from sercl.errors import MissingExtraError, UsageError

TEXT = "Der Zug kommt um zehn Uhr an."


@pytest.fixture(autouse=True)
def _wheel() -> None:
    pytest.importorskip("espeakng_loader", reason="the extra 'demo' is not installed")


def pitch(samples: np.ndarray, rate: int, highest: float = 500.0) -> np.ndarray:
    """Pitch in Hz of the voiced frames, from the first high peak of the autocorrelation."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, round(0.05 * rate))[:: round(0.02 * rate)]
    frames = frames[np.std(frames, axis=1) > np.std(samples)]
    spectra = np.abs(np.fft.rfft(frames, 4 * frames.shape[1])) ** 2
    similarity = np.fft.irfft(spectra)[:, : round(rate / 60)]
    similarity[:, : round(rate / highest)] = 0
    high = similarity > 0.85 * similarity.max(axis=1, keepdims=True)
    first = high.argmax(axis=1)
    return rate / np.array(
        [lag + row[lag : lag + 40].argmax() for lag, row in zip(first, similarity, strict=True)]
    )


@pytest.mark.parametrize(
    ("voice", "text"),
    [("cmn+f1", "火车十点到北京。"), ("de+m3", TEXT), ("en-us+f4", "The train arrives at ten.")],
)
def test_every_language_is_spoken(voice: str, text: str) -> None:
    speaker = Synthesizer(voice)
    samples = speaker.speak(text)
    assert samples.dtype == np.float32
    assert 0.8 < len(samples) / speaker.rate < 3
    assert 0.1 < np.abs(samples).max() <= 1


def test_tempo_divides_the_duration() -> None:
    speaker = Synthesizer("de+f1")
    slow, fast = (len(speaker.speak(TEXT, tempo=tempo)) for tempo in (0.7, 1.4))
    assert slow / fast == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("semitones", [-4.0, 5.0])
def test_pitch_moves_by_semitones(semitones: float) -> None:
    speaker = Synthesizer("de+f1")
    plain, moved = (
        np.median(pitch(speaker.speak(TEXT, semitones=value), speaker.rate)) for value in (0.0, semitones)
    )
    assert 12 * np.log2(moved / plain) == pytest.approx(semitones, abs=0.7)


def test_span_widens_the_pitch_range() -> None:
    speaker = Synthesizer("de+f1")
    narrow, wide = (
        np.std(np.log(pitch(speaker.speak(TEXT, span=span), speaker.rate))) for span in (0.4, 1.8)
    )
    assert wide > 1.5 * narrow


def test_values_beyond_the_limits_are_clipped() -> None:
    assert len(Synthesizer("de+f1").speak(TEXT, tempo=100, semitones=100, span=100)) > 1000


def test_what_was_said_before_and_by_others_changes_nothing() -> None:
    first = Synthesizer("de+f1").speak(TEXT)
    other = Synthesizer("en-us+m1")
    other.speak("Something else.")
    second_speaker = Synthesizer("de+f1")
    other.speak("And more.", tempo=2.0)
    np.testing.assert_array_equal(second_speaker.speak(TEXT), first)


def test_unknown_language() -> None:
    with pytest.raises(UsageError, match="no voice 'xx"):
        Synthesizer("xx+f1")


def test_absent_wheel_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sercl\[demo\]'"):
        Synthesizer("de+f1")
