import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from sercl.audio.resample import SAMPLE_RATE, OddResampler, load, resampler, to_rate
from sercl.torch_pair import torchaudio

RATES = [8000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000]
EDGE = 1600


def tone(hertz: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate).astype(np.float32)


@pytest.mark.parametrize("rate", [*RATES, 44_101])
def test_a_tone_stays_the_same_tone(rate: int) -> None:
    resampled = to_rate(tone(1000, rate), rate).numpy()
    np.testing.assert_allclose(resampled[EDGE:-EDGE], tone(1000, SAMPLE_RATE)[EDGE:-EDGE], atol=2e-3)


def test_what_lies_over_the_new_nyquist_frequency_is_removed() -> None:
    both = tone(1000, 48_000) + tone(10_000, 48_000)
    resampled = to_rate(both, 48_000).numpy()
    np.testing.assert_allclose(resampled[EDGE:-EDGE], tone(1000, SAMPLE_RATE)[EDGE:-EDGE], atol=2e-3)


@pytest.mark.parametrize(("rate", "up", "down"), [(48_000, 1, 3), (44_100, 160, 441), (8000, 2, 1)])
def test_speech_band_noise_agrees_with_scipy(rate: int, up: int, down: int) -> None:
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=rate))
    spectrum[3000:] = 0
    noise = np.fft.irfft(spectrum, rate).astype(np.float32)
    expected = resample_poly(noise.astype(np.float64), up, down, window=("kaiser", 12.0))
    difference = (to_rate(noise, rate).numpy() - expected)[EDGE:-EDGE]
    assert np.std(difference) < 0.01 * np.std(expected)


@pytest.mark.parametrize("rate", [*RATES, 96_000])
@pytest.mark.parametrize("length", [1, 100, 4800, 30_011])
def test_the_result_is_that_of_torchaudio(rate: int, length: int) -> None:
    noise = torch.randn(length, generator=torch.Generator().manual_seed(0))
    options = {"lowpass_filter_width": 64, "rolloff": 0.9475937167399596, "beta": 14.769656459379492}
    transform = torchaudio.transforms.Resample(
        rate, SAMPLE_RATE, resampling_method="sinc_interp_kaiser", **options
    )
    torch.testing.assert_close(to_rate(noise, rate), transform(noise), rtol=0, atol=2e-6)


# torchaudio rounds the places of output samples to float32, which has those of 8 and 48 kHz exactly.
@pytest.mark.parametrize(("rate", "error"), [(8000, 4e-6), (48_000, 4e-6), (11_025, 1e-4), (44_100, 1e-4)])
@pytest.mark.parametrize("length", [1, 4800])
def test_odd_rates_have_the_same_filter(rate: int, error: float, length: int) -> None:
    noise = torch.randn(length, generator=torch.Generator().manual_seed(0))
    found = OddResampler(rate, SAMPLE_RATE)(noise)
    torch.testing.assert_close(found, resampler(rate, SAMPLE_RATE)(noise), rtol=0, atol=error)


@pytest.mark.parametrize("rate", [1_601, 7_999, 44_101, 192_001, 999_983])
def test_no_rate_takes_filters_of_gigabytes(rate: int) -> None:
    own = resampler(rate, SAMPLE_RATE)
    assert isinstance(own, OddResampler)
    assert own._filters.numel() < 4.1e6
    assert len(own(torch.zeros(0))) == 0


@settings(deadline=None, max_examples=40)
@given(rate=st.sampled_from([*RATES, 16_000, 44_101]), length=st.integers(1, 5000))
def test_length_is_rounded_up(rate: int, length: int) -> None:
    resampled = to_rate(np.zeros(length, np.float32), rate)
    assert resampled.shape == (math.ceil(length * SAMPLE_RATE / rate),)
    assert resampled.dtype == torch.float32


def test_equal_rates_change_nothing() -> None:
    samples = tone(440, SAMPLE_RATE)
    np.testing.assert_array_equal(to_rate(samples, SAMPLE_RATE).numpy(), samples)


def test_load_decodes_a_stretch_at_the_common_rate(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([tone(500, 48_000)] * 2, axis=1), 48_000)
    waveform = load(tmp_path / "a.wav", 0.25, 0.75)
    assert waveform.shape == (8000,)
    expected = tone(500, SAMPLE_RATE)[4000:12_000]
    np.testing.assert_allclose(waveform.numpy()[EDGE:-EDGE], expected[EDGE:-EDGE], atol=3e-3)
