import dataclasses
import weakref

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sercl.audio.preprocess import (
    BS1770,
    RMS,
    PreprocessConfig,
    at_level,
    filtered,
    find_speech,
    level_of,
    levelled,
    prepared,
    seconds_after,
    speech_after,
    trimmed_span,
)
from sercl.audio.resample import SAMPLE_RATE
from sercl.audio.voice import Speech
from sercl.errors import UnknownNameError, UsageError

RATE = SAMPLE_RATE
ALL_OPTIONS = {
    "trim": "voice", "margin": 0.1, "loudness": "rms", "level": -20.0, "max_gain": 20.0, "remove_dc": True,
    "high_pass": 80.0, "telephone": True, "frames": "speech",
}  # fmt: skip


def noise(seconds: float, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(seed))


def between_silences(before: float = 0.5, speech: float = 1.0, after: float = 0.7) -> torch.Tensor:
    silence = 1e-4 * noise(before + after, seed=1)
    return torch.cat([silence[: round(before * RATE)], noise(speech), silence[round(before * RATE) :]])


@pytest.mark.parametrize("trim", ["none", "energy", "voice"])
def test_of_clips_that_are_read_one_by_one_none_is_kept(trim):
    read = []

    def clips():
        for _ in range(4):
            clip = noise(0.2)
            read.append(weakref.ref(clip))
            yield clip
            del clip
            assert sum(reference() is not None for reference in read) <= 1

    assert len(find_speech(clips(), PreprocessConfig(trim=trim))) == 4


def test_energy_finds_the_loud_part_whatever_its_level_and_offset():
    config = PreprocessConfig(trim="energy")
    for clip in (between_silences(), 1e-3 * between_silences(), between_silences() + 0.2):
        ((start, end),) = find_speech([clip], config)[0]
        assert start == pytest.approx(0.5, abs=0.03)
        assert end == pytest.approx(1.5, abs=0.03)


def test_a_trimmed_clip_is_its_speech_and_the_margins():
    clip = between_silences()
    config = PreprocessConfig(trim="energy", margin=0.1, loudness="none")
    out = prepared(clip, [Speech(0.6, 0.8), Speech(1.0, 1.4)], config)
    assert torch.equal(out, clip[round(0.5 * RATE) : round(1.5 * RATE)])


def test_a_clip_without_speech_is_neither_cut_nor_amplified():
    clip = 1e-3 * noise(1.0)
    out = prepared(clip, (), PreprocessConfig(trim="voice", loudness="rms"))
    assert torch.equal(out, clip)


@given(start=st.floats(0, 3), length=st.floats(0.01, 3), margin=st.floats(0, 1), seconds=st.floats(0.01, 4))
def test_trimming_never_leaves_less_than_a_tenth_of_a_second(start, length, margin, seconds):
    samples = round(seconds * RATE)
    speech = [Speech(min(start, seconds / 2), min(start + length, seconds))]
    first, last = trimmed_span(speech, margin, samples)
    assert 0 <= first <= last <= samples
    assert last - first >= min(samples, round(0.1 * RATE))
    config = PreprocessConfig(trim="energy", margin=margin)
    clip = torch.zeros(samples)
    assert len(prepared(clip, speech, config)) / RATE == pytest.approx(
        seconds_after(samples / RATE, speech, config)
    )


@pytest.mark.parametrize("measure", [RMS, BS1770])
@pytest.mark.parametrize("seconds", [0.2, 2.0])
@given(gain=st.floats(-40, 10))
@settings(max_examples=10)
def test_levels_are_matched_and_stay(measure, seconds, gain):
    config = PreprocessConfig(loudness=measure)
    once = at_level(noise(seconds) * 10 ** (gain / 20), config)
    assert level_of(once, measure) == pytest.approx(config.target, abs=1e-3)
    torch.testing.assert_close(at_level(once, config), once, rtol=1e-4, atol=1e-6)


def test_rms_is_that_of_numpy_without_dc():
    clip = noise(1.0)
    expected = 20 * np.log10(np.std(clip.double().numpy()))
    assert level_of(clip + 0.2, RMS) == pytest.approx(expected, abs=1e-4)


def test_bs1770_of_the_reference_tone():
    # A sine of 997 Hz at 0 dBFS in one channel has -3.01 LKFS (ITU-R BS.1770-4, annex 1).
    tone = torch.sin(2 * torch.pi * 997 * torch.arange(5 * RATE) / RATE)
    assert level_of(tone, BS1770) == pytest.approx(-3.01, abs=0.1)  # the tolerance of EBU Tech 3341


def test_bs1770_leaves_pauses_out():
    tone = torch.sin(2 * torch.pi * 997 * torch.arange(5 * RATE) / RATE)
    with_pause = torch.cat([tone, torch.zeros(5 * RATE)])
    assert level_of(with_pause, BS1770) == pytest.approx(level_of(tone, BS1770), abs=0.15)
    assert level_of(with_pause, RMS) == pytest.approx(level_of(tone, RMS) - 3.01, abs=0.02)


def test_the_gain_is_limited():
    clip = 1e-4 * noise(1.0)
    assert torch.allclose(at_level(clip, PreprocessConfig(loudness="rms", max_gain=6)), clip * 10**0.3)
    assert torch.equal(at_level(torch.zeros(100), PreprocessConfig(loudness="rms")), torch.zeros(100))


@pytest.mark.parametrize(
    ("options", "kind", "edges"),
    [({"high_pass": 100.0}, "highpass", 100.0), ({"telephone": True}, "bandpass", (300.0, 3400.0))],
)
def test_filters_are_those_of_scipy(options, kind, edges):
    clip = noise(0.5)
    expected = scipy.signal.lfilter(*scipy.signal.butter(4, edges, kind, fs=RATE), clip.double().numpy())
    found = filtered(clip, PreprocessConfig(**options))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_a_detector_gets_soft_clips_at_one_level():
    clip = noise(1.0)
    torch.testing.assert_close(levelled(clip * 1e-3 + 0.05), levelled(clip), rtol=1e-3, atol=1e-4)
    assert torch.equal(levelled(torch.zeros(10)), torch.zeros(10))
    assert len(levelled(torch.zeros(0))) == 0


def test_raw_has_no_settings_and_every_option_changes_them():
    assert PreprocessConfig.RAW.settings() == {}
    assert set(ALL_OPTIONS) == {field.name for field in dataclasses.fields(PreprocessConfig)}
    whole = PreprocessConfig(**ALL_OPTIONS)
    for name in ALL_OPTIONS:
        default = {**PreprocessConfig.RAW.to_dict(), "margin": 0.0}[name]
        dependent = {"level": None} if name == "loudness" else {}
        other = dataclasses.replace(whole, **{name: default, **dependent})
        assert other.settings() != whole.settings(), name


def test_wrong_options_are_refused():
    with pytest.raises(UnknownNameError, match=r"preprocess\.trim"):
        PreprocessConfig(trim="yes")
    with pytest.raises(UnknownNameError, match=r"preprocess\.loudness"):
        PreprocessConfig(loudness="loud")
    for options in ({"margin": -1}, {"max_gain": 0}, {"high_pass": 9000}, {"loudness": "rms", "level": 3}):
        with pytest.raises(UsageError, match=f"preprocess.{list(options)[-1]} is"):
            PreprocessConfig(**options)
    with pytest.raises(UsageError, match="level has no effect"):
        PreprocessConfig(loudness="none", level=-20)


def test_stretches_of_speech_move_with_the_trimming():
    speech = [Speech(0.6, 0.8), Speech(1.0, 1.4)]
    config = PreprocessConfig(trim="voice", margin=0.1, frames="speech")
    moved = speech_after(2 * RATE, speech, config)
    assert np.array(moved) == pytest.approx(np.array([(0.1, 0.3), (0.5, 0.9)]))
    untrimmed = speech_after(2 * RATE, speech, PreprocessConfig(trim="none", frames="speech"))
    assert untrimmed == tuple(speech)
    assert speech_after(2 * RATE, speech, PreprocessConfig(trim="voice")) is None
    assert speech_after(2 * RATE, (), config) == ()


def test_frames_of_speech_need_the_voice_detector():
    assert PreprocessConfig(frames="speech").needs_speech
    assert PreprocessConfig(frames="speech").settings().keys() >= {"preprocess.frames", "preprocess.detector"}
    with pytest.raises(UsageError, match="trim voice or none, not energy"):
        PreprocessConfig(trim="energy", frames="speech")
    with pytest.raises(UnknownNameError, match="frames"):
        PreprocessConfig(frames="some")
