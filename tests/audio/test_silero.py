import sys
import warnings

import pytest
import torch
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from sercl.audio import silero
from sercl.audio.preprocess import levelled
from sercl.audio.resample import SAMPLE_RATE, load
from sercl.audio.silero import CHUNK, load_silero
from sercl.audio.voice import VoiceConfig, VoiceDetector
from sercl.errors import PackagesError


@pytest.fixture(scope="module")
def packaged():
    """The package's own model, window by window."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = silero.silero_vad().load_silero_vad()

    @torch.inference_mode()
    def probabilities(waveforms):
        model.reset_states()
        chunks = torch.split(pad(waveforms, (0, -waveforms.shape[1] % CHUNK)), CHUNK, dim=1)
        return torch.cat([model(chunk, SAMPLE_RATE) for chunk in chunks], dim=1)

    return probabilities


def babble(clips, seconds, seed=0):
    """Noise in syllables of a pitch, of which the network takes some for speech."""
    times = torch.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = torch.randn(clips, len(times), generator=torch.Generator().manual_seed(seed))
    pitch = 100 * torch.arange(1, clips + 1)[:, None]
    voice = sum(torch.sin(2 * torch.pi * number * pitch * times) / number for number in range(1, 20))
    return (voice + 0.1 * noise) * torch.sin(3 * torch.pi * times).clamp(min=0) * 0.1


@pytest.mark.parametrize(("clips", "seconds"), [(1, 0.032), (3, 0.5), (2, 40.0)])
def test_it_gives_what_the_model_of_the_package_gives(packaged, clips, seconds):
    waveforms = babble(clips, seconds)
    torch.testing.assert_close(
        VoiceDetector().probabilities(waveforms), packaged(waveforms), rtol=0, atol=1e-4
    )


@pytest.mark.shared
@pytest.mark.parametrize("corpus", ["emodb", "ravdess"])
def test_real_clips_have_the_same_speech(packaged, shared, corpus):
    paths = sorted((shared / "data" / corpus).rglob("*.wav"))[::8]
    clips = [levelled(load(path)) for path in paths]
    waveforms = pad_sequence(clips, batch_first=True)
    detector = VoiceDetector(VoiceConfig(pad=0.0))
    expected = packaged(waveforms)
    torch.testing.assert_close(detector.probabilities(waveforms), expected, rtol=0, atol=1e-4)
    pairs = zip(expected, clips, strict=True)
    assert detector.speech(clips) == [detector._stretches(row, len(clip)) for row, clip in pairs]


def test_the_number_of_threads_stays_when_the_package_is_imported(monkeypatch):
    threads = torch.get_num_threads()
    for name in [name for name in sys.modules if name.split(".")[0] == "silero_vad"]:
        monkeypatch.delitem(sys.modules, name)
    torch.set_num_threads(2)
    try:
        assert VoiceDetector().speech([torch.zeros(0)]) == [()]
        assert "silero_vad" in sys.modules
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("change", ["shape", "name", "spectra"])
def test_another_network_is_refused(monkeypatch, change):
    weights = dict(silero._packaged())
    if change == "shape":
        weights["decoder.rnn.weight_hh"] = torch.zeros(512, 64)
    elif change == "name":
        del weights["encoder.3.reparam_conv.bias"]
    else:
        weights["stft.forward_basis_buffer"] = weights["stft.forward_basis_buffer"] * 1.1
    monkeypatch.setattr(silero, "_packaged", lambda: weights)
    with pytest.raises(PackagesError, match="another network than version 6"):
        load_silero()


def test_loading_it_draws_no_random_numbers() -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    load_silero()
    assert torch.equal(torch.random.get_rng_state(), before)
