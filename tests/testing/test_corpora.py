from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sercl.corpora.registry import CORPORA, read_corpus
from sercl.errors import UnknownNameError, UsageError
from sercl.testing.corpora import FakeSize, fake_corpus, fake_esd, fake_pavoque, tone

RATES = {
    "RAVDESS": 48_000,
    "ESD": 16_000,
    "PAVOQUE": 44_100,
    "EmoDB": 16_000,
    "IEMOCAP": 16_000,
    "ZED": 16_000,
}


def pitch(samples: np.ndarray, rate: int) -> float:
    """The strongest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate / len(samples))


def test_the_pitch_depends_on_the_emotion() -> None:
    pitches = {
        emotion: [pitch(tone(emotion, 0.3, 16_000, seed), 16_000) for seed in range(10)]
        for emotion in ("angry", "happy", "neutral", "sad")
    }
    assert max(pitches["angry"]) < min(pitches["happy"])
    assert max(pitches["happy"]) < min(pitches["neutral"])
    assert max(pitches["neutral"]) < min(pitches["sad"])


def test_tones_are_reproducible_and_differ() -> None:
    assert np.array_equal(tone("sad", 0.1, 8_000, 1), tone("sad", 0.1, 8_000, 1))
    assert not np.array_equal(tone("sad", 0.1, 8_000, 1), tone("sad", 0.1, 8_000, 2))
    assert tone("sad", 0.1, 8_000).dtype == np.float32
    assert tone("sad", 0.1, 8_000).shape == (800,)


@pytest.mark.parametrize("name", sorted(RATES))
def test_rates_and_lengths_are_true(tmp_path: Path, name: str) -> None:
    root = fake_corpus(name, tmp_path, speakers=1, per_emotion=1, seconds=0.1)
    utterances = read_corpus(name, root).utterances
    infos = [soundfile.info(item.path) for item in utterances]
    assert {info.samplerate for info in infos} == {RATES[name]}
    if name != "PAVOQUE":
        assert {round(info.duration, 3) for info in infos} == {0.1}


def test_same_audio_gives_the_same_names(tmp_path: Path) -> None:
    one = read_corpus("EmoDB", fake_corpus("EmoDB", tmp_path / "a", speakers=2))
    two = read_corpus("EmoDB", fake_corpus("EmoDB", tmp_path / "b", speakers=2, same_audio=True))
    assert [item.id for item in one.utterances] == [item.id for item in two.utterances]
    assert len({item.path.read_bytes() for item in two.utterances}) == 7
    assert len({item.path.read_bytes() for item in one.utterances}) == 28


def test_speakers_by_number_and_by_code(tmp_path: Path) -> None:
    root = fake_corpus("ESD", tmp_path / "a", speakers=3, per_emotion=1, seconds=0.02)
    assert {item.speaker for item in read_corpus("ESD", root).utterances} == {"0001", "0002", "0003"}
    root = fake_corpus("ESD", tmp_path / "b", speakers=["0020"], per_emotion=1, seconds=0.02)
    assert {item.speaker for item in read_corpus("ESD", root).utterances} == {"0020"}
    root = fake_corpus("ESD", tmp_path / "c", per_emotion=1, seconds=0.02)
    assert Counter(item.language for item in read_corpus("ESD", root).utterances) == {"zh": 10, "en": 10}


@pytest.mark.parametrize("name", sorted(CORPORA))
def test_too_many_speakers_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="speakers: '1000'"):
        fake_corpus(name, tmp_path, speakers=1000)
    with pytest.raises(UsageError, match="speakers: 'nobody'"):
        fake_corpus(name, tmp_path, speakers=["nobody"])


def test_other_wrong_wishes(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown corpus 'Emo'"):
        fake_corpus("Emo", tmp_path)
    with pytest.raises(UsageError, match="per_emotion: 500; this fake has names for 60"):
        fake_corpus("EmoDB", tmp_path, per_emotion=500)
    with pytest.raises(UnknownNameError, match="unknown layout of ESD 'round'"):
        fake_esd(tmp_path, FakeSize(), "round")
    with pytest.raises(UnknownNameError, match="unknown layout of PAVOQUE 'round'"):
        fake_pavoque(tmp_path, FakeSize(), "round")
