import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sercl.models.encoders.fast.front_end import FrontEnd, fold_group_norm, front_end_fits
from sercl.models.encoders.fast.packed import supported

GROUP, LAYER = "wav2vec2", "wav2vec2-layer"


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=2e-5)


@given(
    frames=st.integers(16, 300),
    offset=st.floats(-1, 1),
    level=st.floats(1e-4, 10),
    seed=st.integers(0, 10_000),
)
def test_a_folded_group_norm_is_the_norm_behind_the_map(frames, offset, level, seed):
    generator = torch.Generator().manual_seed(seed)
    windows = level * (offset + torch.randn(frames, 10, generator=generator)).double()
    weight, norm = torch.randn(8, 10, generator=generator), nn.GroupNorm(8, 8)
    norm.weight.copy_(torch.randn(8, generator=generator))
    norm.bias.copy_(torch.randn(8, generator=generator))
    folded, bias = fold_group_norm(weight, norm, windows)
    expected = norm.double()((windows @ weight.double().T).T[None])[0].T
    got = windows @ folded.double().T + bias.double()
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", [GROUP, LAYER])
@pytest.mark.parametrize("samples", [400, 401, 719, 720, 16_000, 33_333])
def test_frames_are_those_of_the_feature_extractor(family, samples, wide):
    extractor = wide(family).model.feature_extractor
    waveform = torch.randn(samples)
    expected = extractor(waveform[None])[0].T
    ours = FrontEnd(extractor.conv_layers, torch.float32)(waveform)
    assert ours.shape == expected.shape
    close(ours, expected)


@pytest.mark.parametrize("family", [GROUP, LAYER])
@pytest.mark.parametrize("frames", [7, 8, 9, 16, 17, 31])
def test_a_clip_may_pass_in_several_pieces(family, frames, wide, monkeypatch):
    monkeypatch.setattr("sercl.models.encoders.fast.front_end._PIECE", 8)
    extractor = wide(family).model.feature_extractor
    waveform = torch.randn(400 + 320 * (frames - 1) + 100)
    ours = FrontEnd(extractor.conv_layers, torch.float32)(waveform)
    assert len(ours) == frames
    close(ours, extractor(waveform[None])[0].T)


@pytest.mark.parametrize("family", [GROUP, LAYER])
def test_bfloat16_up_to_rounding(family, wide):
    if not supported(torch.bfloat16):
        pytest.skip("this processor has no fast bfloat16")
    extractor = wide(family).model.feature_extractor
    waveform = torch.randn(5_000)
    ours = FrontEnd(extractor.conv_layers, torch.bfloat16)(waveform).float()
    expected = extractor(waveform[None])[0].T
    assert (ours - expected).norm() < 0.02 * expected.norm()


def test_clips_of_many_lengths_pass_in_few(wide, monkeypatch):
    lengths = set()
    front_end = FrontEnd(wide(GROUP).model.feature_extractor.conv_layers, torch.float32)
    following = front_end._others[0]
    front_end._others[0] = lambda hidden: lengths.add(hidden.shape[1]) or following(hidden)
    for samples in range(16_000, 18_560, 40):
        front_end(torch.randn(samples))
    assert len(lengths) == 2


def test_many_frames_pass_norm_and_gelu_in_several_parts(wide, monkeypatch):
    extractor = wide(LAYER).model.feature_extractor
    monkeypatch.setattr("sercl.models.encoders.fast.front_end._ROWS_IN_CACHE", 7)
    waveform = torch.randn(4_000)
    close(FrontEnd(extractor.conv_layers, torch.float32)(waveform), extractor(waveform[None])[0].T)


@pytest.mark.parametrize("waveform", [torch.zeros(800), torch.ones(800), torch.randn(800) * 1e-3 + 0.5])
def test_silence_and_offsets(waveform, wide):
    extractor = wide(GROUP).model.feature_extractor
    ours = FrontEnd(extractor.conv_layers, torch.float32)(waveform)
    expected = extractor.double()(waveform[None].double())[0].T
    extractor.float()
    torch.testing.assert_close(ours, expected.float(), atol=1e-3, rtol=1e-3)


def test_only_layers_of_the_known_kinds_fit(wide):
    def layers(family):
        return wide(family).model.feature_extractor.conv_layers

    assert front_end_fits(layers(GROUP))
    assert front_end_fits(layers(LAYER))

    unusual = layers(GROUP)
    unusual[0].layer_norm = nn.GroupNorm(2, 64)
    assert not front_end_fits(unusual)
    unusual = layers(LAYER)
    unusual[3].layer_norm = nn.Identity()
    assert not front_end_fits(unusual)
    unusual = layers(GROUP)
    unusual[2].conv = nn.Conv1d(64, 64, 3, stride=2, padding=1)
    assert not front_end_fits(unusual)
    unusual = layers(GROUP)
    unusual[0].conv = nn.Conv1d(1, 64, 10, stride=4)
    assert not front_end_fits(unusual)
