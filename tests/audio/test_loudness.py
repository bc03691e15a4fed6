from itertools import pairwise

import pytest
import torch
import torchaudio.functional as AF
from hypothesis import given
from hypothesis import strategies as st

from sercl.audio.loudness import (
    faded,
    join,
    k_weighting,
    loudness,
    matched,
    matched_to_first,
    overlap,
    true_peak,
)


def noise(seconds, level, seed=0):
    return level * torch.randn(round(seconds * 16_000), generator=torch.Generator().manual_seed(seed))


def tone(hz, seconds=2.0, level=0.5):
    return level * torch.sin(2 * torch.pi * hz * torch.arange(round(seconds * 16_000)) / 16_000)


def test_the_filter_is_that_of_bs_1770():
    shelf, high_pass = k_weighting(48_000).tolist()
    assert shelf == pytest.approx(
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585]
    )
    assert high_pass == pytest.approx([1, -2, 1, 1, -1.99004745483398, 0.99007225036621])


@pytest.mark.parametrize("clip", [noise(3, 0.1), tone(300), tone(997), tone(3000)])
def test_a_steady_sound_is_as_loud_as_torchaudio_finds_it(clip):
    # Its shelf is not quite that of BS.1770.
    assert loudness(clip) == pytest.approx(AF.loudness(clip[None], 16_000).item(), abs=0.4)


def test_a_full_scale_tone_is_at_minus_three():
    # BS.1770: a 997 Hz sine at 0 dBFS in one channel reads -3.01 LKFS.
    assert loudness(tone(997, level=1.0)) == pytest.approx(-3.01, abs=0.1)


def test_the_shortest_pieces_have_a_loudness():
    assert loudness(noise(0.05, 0.1)) == pytest.approx(loudness(noise(3, 0.1)), abs=1.5)
    assert loudness(torch.zeros(100)) == -100


def test_pieces_are_brought_to_their_mean():
    pieces = [noise(1, 0.02), noise(0.3, 0.2, seed=1), torch.zeros(50)]
    quiet, loud, silent = matched(pieces)
    assert loudness(quiet) == pytest.approx(loudness(loud), abs=1e-3)
    assert loudness(quiet) == pytest.approx((loudness(pieces[0]) + loudness(pieces[1])) / 2, abs=1e-3)
    assert torch.equal(silent, torch.zeros(50))
    assert torch.equal(matched([torch.zeros(5)])[0], torch.zeros(5))


def test_a_single_piece_stays_and_gains_are_limited():
    piece = noise(1, 0.1)
    assert torch.allclose(matched([piece])[0], piece)
    quiet = matched([noise(1, 1e-4), noise(1, 1.0)])[0]
    assert loudness(quiet) - loudness(noise(1, 1e-4)) == pytest.approx(30, abs=1e-2)


def test_pieces_can_follow_the_level_of_the_first():
    pieces = [scale * torch.sin(torch.arange(1600) / 7) for scale in (0.1, 0.5, 0.0, 0.01)]
    found = matched_to_first(pieces)
    levels = [float(piece.square().mean().sqrt()) for piece in found]
    assert levels[0] == float(pieces[0].square().mean().sqrt())
    assert levels[1] == pytest.approx(levels[0])
    assert levels[3] == pytest.approx(levels[0])
    assert torch.equal(found[2], pieces[2])
    assert all(
        torch.equal(one, other) for one, other in zip(matched_to_first(pieces[2:]), pieces[2:], strict=True)
    )


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


def test_true_peak_is_that_between_samples():
    # Samples of a quarter of the rate at 45 degrees are all 3 dB below the peak between them.
    time = torch.arange(16_000, dtype=torch.float64) / 16_000
    clip = (0.5 * torch.sin(2 * torch.pi * 4000 * time + torch.pi / 4)).float() * torch.hann_window(16_000)
    assert true_peak(clip) == pytest.approx(-6.02, abs=0.1)
    assert clip.abs().max().log10() * 20 == pytest.approx(-9.03, abs=0.01)


def test_true_peak_is_never_below_the_samples_and_silence_has_none():
    click = torch.zeros(100)
    click[0] = 1.0
    assert true_peak(click) >= 0
    assert true_peak(torch.zeros(100)) == -100


def test_fades_are_soft_ends_of_any_clip():
    clip = faded(torch.ones(1600), 0.01)
    assert clip[0] < 1e-3
    assert clip[-1] < 1e-3
    assert torch.equal(clip[160:-160], torch.ones(1280))
    assert (clip[1:160] > clip[:159]).all()
    assert faded(torch.ones(1), 0.01).tolist() == [1.0]
    assert faded(torch.ones(3), 0.01)[1] == 1.0
