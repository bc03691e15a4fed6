import pytest
import torch

from sercl.models.encoders.fast.attention import GatedAttention, SelfAttention, position_bias
from sercl.models.encoders.fast.packed import supported

LENGTHS = (30, 7, 30, 1)


def rows():
    return torch.randn(sum(LENGTHS), 64)


@pytest.mark.parametrize(
    ("family", "path"),
    [("wav2vec2", "encoder.layers.0.attention"), ("whisper", "layers.0.self_attn")],
)
def test_each_clip_attends_to_itself_alone(family, path, wide):
    module, frames = wide(family).model.get_submodule(path), rows()
    ours = SelfAttention(module, torch.float32)(frames, LENGTHS, ())
    expected = torch.cat([module(clip[None])[0][0] for clip in frames.split(LENGTHS)])
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_that_belong_to_no_clip_change_nothing(dtype, wide):
    if not supported(dtype):
        pytest.skip(f"this processor has no fast {dtype}")
    attention = SelfAttention(wide("wav2vec2").model.get_submodule("encoder.layers.0.attention"), dtype)
    frames = rows().to(dtype)
    padded = attention(torch.cat([frames, torch.full((5, 64), 1e3, dtype=dtype)]), LENGTHS, ())
    assert padded.shape == (sum(LENGTHS) + 5, 64)
    torch.testing.assert_close(padded[:-5], attention(frames, LENGTHS, ()), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("frames", [1, 15, 16, 17, 100])
def test_bfloat16_attention_over_any_number_of_frames(frames, wide):
    if not supported(torch.bfloat16):
        pytest.skip("this processor has no fast bfloat16")
    module = wide("wav2vec2").model.get_submodule("encoder.layers.0.attention")
    clip = torch.randn(frames, 64)
    ours = SelfAttention(module, torch.bfloat16)(clip.bfloat16(), (frames,), ())
    torch.testing.assert_close(ours.float(), module(clip[None])[0][0], atol=2e-2, rtol=2e-2)


@pytest.mark.parametrize("family", ["wavlm", "wavlm-stable"])
def test_wavlm_adds_its_gated_position_bias(family, wide):
    layers, frames = wide(family).model.encoder.layers, rows()
    positions = position_bias(layers[0].attention, LENGTHS)
    for layer in list(layers)[:2]:
        module = layer.attention
        ours = GatedAttention(module, torch.float32)(frames, LENGTHS, positions)
        expected = torch.cat(
            [
                module(clip[None], position_bias=bias)[0][0]
                for clip, bias in zip(frames.split(LENGTHS), positions, strict=True)
            ]
        )
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_the_position_bias_is_that_of_the_first_block(wide):
    module = wide("wavlm").model.encoder.layers[0].attention
    bias = position_bias(module, LENGTHS)
    assert [each.shape for each in bias] == [(2, length, length) for length in LENGTHS]
    assert torch.equal(bias[1], module.compute_bias(7, 7))
