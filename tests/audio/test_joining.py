from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sercl.audio.loudness import join, overlap


def test_pieces_fade_into_each_other():
    waveform, boundaries = join([torch.ones(100), -torch.ones(50)], 20)
    assert len(waveform) == 130
    assert boundaries == [90]
    assert torch.equal(waveform[:80], torch.ones(80))
    assert torch.equal(waveform[100:], -torch.ones(30))
    assert bool((waveform[80:100].diff() < 0).all())


def test_the_power_stays_through_a_fade():
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 40_000, generator=generator)
    waveform, (boundary,) = join([one, other], 20_000)
    middle = waveform[boundary - 5_000 : boundary + 5_000]
    assert middle.square().mean().item() == pytest.approx(1.0, abs=0.05)


def test_without_a_fade_nothing_is_lost():
    waveform, boundaries = join([torch.ones(3), torch.zeros(2), torch.ones(1)], 0)
    assert waveform.tolist() == [1, 1, 1, 0, 0, 1]
    assert boundaries == [3, 5]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(0, 40))
def test_boundaries_are_in_order_within_the_clip(lengths, fade):
    waveform, boundaries = join([torch.ones(n) for n in lengths], fade)
    shared = sum(overlap(a, b, fade) for a, b in pairwise(lengths))
    assert len(waveform) == sum(lengths) - shared
    assert boundaries == sorted(boundaries)
    assert len(boundaries) == len(lengths) - 1
    assert all(0 < boundary < len(waveform) for boundary in boundaries)
