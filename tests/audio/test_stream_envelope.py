import numpy as np
import pytest
import soundfile

from sercl.audio.stream import envelope, envelope_of
from sercl.errors import AudioError


@pytest.mark.parametrize("seconds", [0.5, 12.3, 41.0])
def test_a_file_gives_what_its_samples_give(tmp_path, seconds):
    samples = np.random.default_rng(0).uniform(-1, 1, round(seconds * 8000))
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    found = envelope(tmp_path / "a.wav", 100)
    assert len(found) <= 100
    assert np.allclose(found, envelope_of(samples.astype(np.float32), 100), atol=1e-6)


def test_the_largest_sample_of_each_stretch_counts(tmp_path):
    assert envelope_of(np.float32([0, -0.5, 0.25, 0, 1]), 3).tolist() == [0.5, 0.25, 1.0]
    assert envelope_of(np.float32([0.5]), 9).tolist() == [0.5]


def test_a_file_that_is_no_audio_is_an_error(tmp_path):
    (tmp_path / "a.wav").write_text("no audio")
    with pytest.raises(AudioError, match="cannot be decoded"):
        envelope(tmp_path / "a.wav")
