import numpy as np
import pytest
import soundfile
import torch

from sercl.audio.preprocess import PreprocessConfig
from sercl.audio.voice import Speech, VoiceDetector
from sercl.batch import AudioBatch
from sercl.errors import AudioError, UsageError
from sercl.tasks.predictor import Predictor
from sercl.tasks.sliding import SlidingClassifier

CPU = torch.device("cpu")


@pytest.fixture
def task(build, batch, fit_standardizer):
    return fit_standardizer(build(), batch)


@pytest.fixture
def samples():
    return 0.1 * np.random.default_rng(0).standard_normal(24_000).astype(np.float32)


def test_a_single_window_gives_what_the_classifier_says(task, samples):
    scores = SlidingClassifier(task, CPU, window=2.0, hop=0.5).frames((samples, 16_000))
    (prediction,) = Predictor(task, CPU).predict((samples, 16_000))
    assert scores.probabilities.shape == (3, 4)
    assert np.allclose(scores.probabilities, list(prediction.probabilities.values()), atol=1e-6)
    assert (scores.stride, scores.duration) == (0.5, 1.5)


def test_a_stretch_gets_the_mean_of_the_windows_that_hold_it(task, samples, tmp_path):
    sliding = SlidingClassifier(task, CPU, window=1.0, hop=0.5)
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    found = sliding.frames(tmp_path / "a.wav").probabilities
    first, second = (
        list(p.probabilities.values())
        for p in Predictor(task, CPU).predict([(samples[:16_000], 16_000), (samples[8_000:], 16_000)])
    )
    assert np.allclose(found[0], first, atol=1e-6)
    assert np.allclose(found[1], np.mean([first, second], axis=0), atol=1e-6)
    assert np.allclose(found[2], second, atol=1e-6)


def test_what_cannot_be_is_refused(task, samples):
    for hop in (0.0, 2.0):
        with pytest.raises(UsageError, match="the hop must be above 0"):
            SlidingClassifier(task, CPU, window=1.0, hop=hop)
    with pytest.raises(AudioError, match="too short for one frame"):
        SlidingClassifier(task, CPU).frames((samples[:100], 16_000))


def test_a_recording_keeps_its_time_and_is_brought_to_the_level_of_its_speech(task, samples, monkeypatch):
    speech = (Speech(0.25, 0.75),)
    monkeypatch.setattr(VoiceDetector, "speech", lambda _, clips: [speech] * len(clips))
    task.preprocess = PreprocessConfig(trim="voice", loudness="rms")
    scores = SlidingClassifier(task, CPU, window=2.0, hop=0.5).frames((0.01 * samples, 16_000))
    assert (len(scores.probabilities), scores.duration) == (3, 1.5)
    spoken = samples[4_000:12_000]
    level = float(np.sqrt(np.mean((spoken - spoken.mean()) ** 2)))
    task.preprocess = None
    loud = (samples * (10 ** (-26 / 20) / level), 16_000)
    expected = SlidingClassifier(task, CPU, window=2.0, hop=0.5).frames(loud)
    assert np.allclose(scores.probabilities, expected.probabilities, atol=1e-6)


def test_windows_use_the_frames_of_their_speech(task, samples, monkeypatch):
    speech = (Speech(0.6, 0.8),)
    monkeypatch.setattr(VoiceDetector, "speech", lambda _, clips: [speech] * len(clips))
    task.preprocess = PreprocessConfig(trim="none", loudness="none", frames="speech")
    found = SlidingClassifier(task, CPU, window=0.5, hop=0.5).frames((samples, 16_000)).probabilities
    window = torch.from_numpy(samples[8_000:16_000])
    with torch.inference_mode():
        own = task(AudioBatch.from_clips([window], speech=[((0.1, 0.3),)]))[0]
        whole = task(AudioBatch.from_clips([window]))[0]
    assert np.allclose(found[1], own, atol=1e-6)
    assert not torch.allclose(own, whole)
