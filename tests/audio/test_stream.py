import resource
import sys

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.audio.resample import load, to_rate
from sercl.audio.stream import WindowPlan, blocks_of, in_blocks, resampled, windows
from sercl.errors import AudioError, AudioNotFoundError, UsageError


def noise(samples, seed=0):
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([7_999, 8_000, 11_025, 16_000, 22_050, 44_100, 44_101, 48_000]),
    st.integers(1, 30_000),
    st.lists(st.integers(1, 9_000), min_size=1, max_size=4),
)
def test_blocks_are_resampled_as_if_they_were_one(rate, samples, sizes):
    whole = noise(samples)
    blocks, rest = [], whole
    while len(rest):
        size = sizes[len(blocks) % len(sizes)]
        blocks.append(rest[:size])
        rest = rest[size:]
    found = torch.cat(list(resampled(blocks, rate)))
    expected = to_rate(whole, rate)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("rate", [1_601, 7_999, 24_414, 44_101])
def test_odd_rates_do_not_drift(rate):
    time = torch.arange(rate * 3, dtype=torch.float64) / rate
    tone = torch.sin(2 * torch.pi * 440 * time).float()
    found = torch.cat(list(resampled(in_blocks(tone, 5_000), rate)))
    expected = torch.sin(2 * torch.pi * 440 * torch.arange(48_000, dtype=torch.float64) / 16_000)
    assert len(found) == 48_000
    assert (found - expected)[800:-800].abs().max() < 1e-4


@pytest.mark.parametrize(
    ("name", "rate", "channels"),
    [("a.wav", 16_000, 1), ("b.flac", 44_100, 2), ("c.ogg", 48_000, 1), ("d.mp3", 22_050, 2)],
)
def test_a_file_in_blocks_is_the_file(tmp_path, name, rate, channels):
    samples = 0.1 * np.random.default_rng(0).standard_normal((2 * rate, channels))
    soundfile.write(tmp_path / name, samples, rate)
    found = torch.cat(list(blocks_of(tmp_path / name, seconds=0.3)))
    assert torch.allclose(found, load(tmp_path / name), atol=1e-5)


def test_bad_files_are_named(tmp_path):
    with pytest.raises(AudioNotFoundError):
        list(blocks_of(tmp_path / "a.wav"))
    (tmp_path / "text.wav").write_text("no audio")
    with pytest.raises(AudioError, match=r"text\.wav: cannot be decoded"):
        list(blocks_of(tmp_path / "text.wav"))
    samples = np.zeros(32_000, dtype=np.float32)
    samples[20_000] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match="NaN"):
        list(blocks_of(tmp_path / "nan.wav", seconds=0.5))


@given(st.integers(1, 4_000), st.integers(1, 700), st.integers(8, 40), st.integers(0, 3))
def test_windows_hold_the_recording_and_their_inner_parts_follow_each_other(samples, block, size, outer):
    hop = 10
    plan = WindowPlan(seconds=size * hop / 16_000, context=outer * hop / 16_000, hop=hop)
    whole = torch.arange(samples, dtype=torch.float32)
    found = list(windows(in_blocks(whole, block), plan))
    assert [window.index for window in found] == list(range(len(found)))
    assert [window.last for window in found] == [False] * (len(found) - 1) + [True]
    inner = []
    for window in found:
        assert window.start == window.index * plan.step
        assert torch.equal(window.waveform, whole[window.start : window.start + len(window.waveform)])
        first = plan.outer if window.index else 0
        inner.append(window.waveform[first : None if window.last else plan.outer + plan.step])
    assert torch.equal(torch.cat(inner), whole)
    assert {len(window.waveform) for window in found[:-1]} <= {plan.size}
    assert len(found[-1].waveform) <= plan.size
    assert len(found) == 1 or len(found[-1].waveform) > 2 * plan.outer


def test_no_samples_give_no_window():
    assert list(windows([], WindowPlan())) == []
    assert list(in_blocks(torch.zeros(0))) == []


def test_lengths_are_whole_frames():
    plan = WindowPlan(seconds=2.01, context=0.301, hop=320)
    assert (plan.size, plan.outer, plan.step) == (32_000, 5_120, 21_760)
    with pytest.raises(UsageError, match="leave nothing between"):
        WindowPlan(seconds=2.0, context=1.0)
    with pytest.raises(UsageError, match="finite"):
        WindowPlan(context=-1.0)


@pytest.mark.slow
def test_two_hours_stream_in_flat_memory(tmp_path):
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", samplerate=8_000, channels=1, subtype="ULAW") as file:
        minute = 0.1 * np.random.default_rng(0).standard_normal(60 * 8_000)
        for _ in range(120):
            file.write(minute)
    plan = WindowPlan()
    peaks, samples = [], 0
    for window in windows(blocks_of(path), plan):
        peaks.append(peak_megabytes())
        samples += len(window.waveform) if window.last else plan.step
    assert samples == 2 * 3600 * 16_000
    assert peaks[-1] - peaks[10] < 30


def peak_megabytes():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)
