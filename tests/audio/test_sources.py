"""Waveforms in memory: what is taken, and that nothing is taken for something else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sercl.audio.sources import as_inputs, as_mono, name_of, waveform_of
from sercl.errors import UsageError

STEREO = 0.1 * np.random.default_rng(0).standard_normal((2, 16_000))


def test_channels_come_before_samples() -> None:
    mono, rate = as_mono((STEREO, 16_000))
    np.testing.assert_allclose(mono, STEREO.mean(axis=0), atol=1e-6)
    assert (mono.shape, rate) == ((16_000,), 16_000)
    tensor = torch.tensor(STEREO, requires_grad=True)
    np.testing.assert_array_equal(as_mono((tensor, 16_000))[0], mono)


@pytest.mark.parametrize("shape", [(16_000, 2), (16_000, 1), (50, 2), (65, 16_000)])
def test_samples_before_channels_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(
        UsageError, match=rf"must be \[channels, samples\].*{shape[0]} channels.*Transpose it"
    ):
        waveform_of((np.full(shape, 0.1), 16_000))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (STEREO[0], "neither a file nor a waveform with its rate"),
        ((16_000, STEREO[0]), r"Give a path, or \(samples, rate\)"),
        ((STEREO[0], 16_000.5), "a whole number above 0"),
        ((STEREO[0], 0), "a whole number above 0"),
        (3, "neither a file"),
        ((np.zeros(0), 16_000), r"has the shape \[0\]"),
        ((np.zeros((2, 2, 9)), 16_000), r"has the shape \[2, 2, 9\]"),
        ((np.full(9, np.inf), 16_000), "NaN or infinite"),
        ((np.ones(9, np.int16), 16_000), r"is of int16\. Divide"),
        ((["a"], 16_000), "an array of numbers, but is"),
    ],
)
def test_what_is_no_waveform_is_refused_with_its_reason(given: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        waveform_of(given)


def test_a_single_input_is_a_list_of_one() -> None:
    pair = (STEREO, 16_000)
    for single in ("a.wav", Path("a.wav"), pair, (16_000, STEREO), STEREO, torch.zeros(9), 3):
        assert list(as_inputs(single)) == [single]
    for several in (["a.wav"], ("a.wav", "b.wav"), [pair, pair], (pair, pair)):
        assert list(as_inputs(several)) == list(several)
    assert [name_of("a.wav", 0), name_of(pair, 1), name_of(3, 2)] == ["a.wav", "input 1", "input 2"]  # type: ignore[arg-type]
