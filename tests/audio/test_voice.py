import pickle

import pytest
import torch

from sercl.audio.resample import SAMPLE_RATE, load
from sercl.audio.voice import CHUNK, Speech, VoiceConfig, VoiceDetector, span
from sercl.errors import UsageError


@pytest.fixture(scope="module")
def detector():
    return VoiceDetector()


def silence(seconds):
    return torch.zeros(round(seconds * SAMPLE_RATE))


def test_silence_and_noise_are_no_speech(detector):
    noise = 0.001 * torch.randn(2 * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    assert detector.speech([silence(1.5), noise, silence(0.01)]) == [(), (), ()]
    assert detector.speech([]) == []


@pytest.mark.shared
def test_speech_is_found_between_silence(detector, shared):
    clip = load(shared / "data" / "emodb" / "wav" / "03a01Fa.wav")
    padded = torch.cat([silence(1.0), clip, silence(1.5)])
    found = span(detector.speech([padded])[0])
    assert 0.95 <= found.start <= 1.3
    assert 1.0 + len(clip) / SAMPLE_RATE - 0.4 <= found.end <= 1.1 + len(clip) / SAMPLE_RATE


@pytest.mark.shared
def test_a_batch_gives_what_each_clip_alone_gives(detector, shared):
    paths = sorted((shared / "data" / "emodb" / "wav").iterdir())[:6]
    clips = [load(path) for path in paths] + [silence(0.4)]
    assert detector.speech(clips) == [detector.speech([clip])[0] for clip in clips]


def test_probabilities_have_one_value_per_chunk(detector):
    found = detector.probabilities(torch.zeros(3, 2 * CHUNK + 1))
    assert found.shape == (3, 3)
    assert bool(((found >= 0) & (found <= 1)).all())


def test_the_number_of_threads_stays(detector):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        VoiceDetector().probabilities(torch.zeros(1, CHUNK))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_it_can_be_sent_to_a_worker(detector):
    detector.probabilities(torch.zeros(1, CHUNK))
    copy = pickle.loads(pickle.dumps(detector))
    assert copy.speech([silence(0.5)]) == [()]


def test_the_span_includes_pauses():
    assert span([Speech(0.5, 1.0), Speech(1.5, 2.0)]) == Speech(0.5, 2.0)
    assert span([]) is None


@pytest.mark.parametrize("options", [{"threshold": 1.0}, {"min_speech": -1.0}, {"pad": float("nan")}])
def test_numbers_out_of_range_are_named(options):
    with pytest.raises(UsageError, match=rf"voice\.{next(iter(options))}"):
        VoiceConfig(**options)
