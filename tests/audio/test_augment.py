import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import welch
from torch import Generator, Tensor

from sercl.audio.augment import Augment, AugmentConfig
from sercl.audio.resample import SAMPLE_RATE
from sercl.errors import UnknownNameError, UsageError

EVERYTHING = AugmentConfig(
    speed=(0.9, 1.1), noise_snr_db=(5.0, 20.0), time_mask=0.2, time_mask_count=2, gain_db=(-6.0, 6.0)
)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def tone(hertz: float = 440.0, seconds: float = 1.0) -> Tensor:
    return torch.sin(2 * math.pi * hertz * torch.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE) * 0.5


def peak_hertz(waveform: Tensor) -> float:
    spectrum = torch.fft.rfft(waveform).abs()
    return float(spectrum.argmax()) * SAMPLE_RATE / len(waveform)


def test_off_by_default() -> None:
    assert not AugmentConfig().enabled
    assert torch.equal(Augment(AugmentConfig())(tone(), seeded()), tone())


@pytest.mark.parametrize(
    "config",
    [
        AugmentConfig(speed=(0.9, 1.1)),
        AugmentConfig(noise_snr_db=(0.0, 0.0)),
        AugmentConfig(gain_db=(1.0, 2.0)),
        AugmentConfig(time_mask=0.1),
    ],
)
def test_any_change_enables(config: AugmentConfig) -> None:
    assert config.enabled
    assert not torch.equal(Augment(replace(config, probability=1.0))(tone(), seeded()), tone())


def test_probability_zero_disables() -> None:
    config = AugmentConfig(gain_db=(6.0, 6.0), probability=0.0)
    assert not config.enabled
    assert torch.equal(Augment(config)(tone(), seeded()), tone())


@given(seed=st.integers(0, 2**32 - 1))
def test_result_depends_on_the_generator_alone(seed: int) -> None:
    clip = tone(seconds=0.1)
    first, second = (Augment(EVERYTHING)(clip, seeded(seed)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(clip, tone(seconds=0.1))
    assert torch.isfinite(first).all()


def test_generators_differ() -> None:
    lengths = {len(Augment(EVERYTHING)(tone(), seeded(seed))) for seed in range(20)}
    assert len(lengths) > 3


def test_probability_is_the_share_of_changed_clips() -> None:
    augment = Augment(AugmentConfig(gain_db=(6.0, 6.0), probability=0.3))
    generator, clip = seeded(), torch.ones(1)
    changed = sum(float(augment(clip, generator)) > 1 for _ in range(2000))
    assert changed / 2000 == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize("color", ["white", "pink"])
@pytest.mark.parametrize("ratio", [-5.0, 0.0, 20.0])
def test_noise_has_the_ratio_asked_for(color: str, ratio: float) -> None:
    config = AugmentConfig(noise_snr_db=(ratio, ratio), noise_color=color, probability=1.0)
    noise = Augment(config)(tone(), seeded()) - tone()
    measured = 10 * math.log10(float(tone().square().mean() / noise.square().mean()))
    assert measured == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize(("color", "slope"), [("white", 0.0), ("pink", -1.0)])
def test_color_is_the_slope_of_the_noise_spectrum(color: str, slope: float) -> None:
    config = AugmentConfig(noise_snr_db=(0.0, 0.0), noise_color=color, probability=1.0)
    clip = tone(seconds=20)
    hertz, power = welch((Augment(config)(clip, seeded()) - clip).numpy(), SAMPLE_RATE, nperseg=1024)
    band = (hertz > 100) & (hertz < 7000)
    assert np.polyfit(np.log(hertz[band]), np.log(power[band]), 1)[0] == pytest.approx(slope, abs=0.05)


@pytest.mark.parametrize("factor", [0.8, 1.07, 1.25])
def test_speed_changes_duration_and_pitch_by_the_factor(factor: float) -> None:
    faster = Augment(AugmentConfig(speed=(factor, factor), probability=1.0))(tone(), seeded())
    assert len(faster) == math.ceil(SAMPLE_RATE / factor)
    assert peak_hertz(faster) == pytest.approx(440 * factor, abs=2)


def test_gain_stays_in_its_range_and_uses_it() -> None:
    augment = Augment(AugmentConfig(gain_db=(-10.0, 10.0), probability=1.0))
    generator = seeded()
    gains = [20 * math.log10(float(augment(torch.ones(1), generator))) for _ in range(300)]
    assert -10 <= min(gains) < -9
    assert 9 < max(gains) <= 10


@given(share=st.floats(0.05, 0.9), count=st.integers(1, 5), seed=st.integers(0, 1000))
def test_masks_are_zeros_of_at_most_the_share_and_leave_the_rest(share: float, count: int, seed: int) -> None:
    config = AugmentConfig(time_mask=share, time_mask_count=count, probability=1.0)
    masked = Augment(config)(torch.ones(1000), seeded(seed))
    assert (masked == 0).sum() + (masked == 1).sum() == 1000
    assert (masked == 0).sum() <= share * 1000
    starts = ((masked[:-1] == 1) & (masked[1:] == 0)).sum() + (masked[0] == 0)
    assert starts <= count


def test_masks_do_mask() -> None:
    augment, generator = Augment(AugmentConfig(time_mask=0.5, probability=1.0)), seeded()
    shares = [float((augment(torch.ones(1000), generator) == 0).float().mean()) for _ in range(200)]
    assert np.mean(shares) == pytest.approx(0.25, abs=0.03)


def test_silence_stays_finite() -> None:
    assert torch.isfinite(Augment(EVERYTHING)(torch.zeros(800), seeded(3))).all()


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"speed": (0.0, 1.0)}, r"speed .* 0\.5\.\.2"),
        ({"speed": (1.1, 0.9)}, "speed .* low and high"),
        ({"noise_snr_db": (float("nan"), 3.0)}, "noise_snr_db"),
        ({"gain_db": (1.0,)}, "gain_db must be two numbers"),
        ({"time_mask": 1.5}, r"time_mask must be within 0\.\.0\.9, not 1\.5"),
        ({"time_mask_count": 0}, "time_mask_count must be 1 or more"),
        ({"probability": -0.1}, "probability"),
    ],
)
def test_bad_values_are_named(values: dict, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        AugmentConfig(**values)


def test_unknown_noise_color() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'pink'"):
        AugmentConfig(noise_color="pnik")
