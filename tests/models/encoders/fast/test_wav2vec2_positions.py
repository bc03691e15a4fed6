import pytest
import torch

from sercl.models.encoders import load_encoder
from sercl.models.encoders.fast.wav2vec2 import _CHUNK, ChunkedConv, build_positions

LENGTHS = (1, _CHUNK - 1, _CHUNK, _CHUNK + 1, 3 * _CHUNK + 5)


def alone(module, rows, lengths):
    return torch.cat([module(clip[None])[0] for clip in rows.split(list(lengths))])


@pytest.mark.parametrize("family", ["wav2vec2", "hubert", "wavlm-stable"])
@pytest.mark.parametrize("lengths", [*((length,) for length in LENGTHS), LENGTHS])
def test_chunks_give_what_each_clip_alone_gives(family, lengths, wide):
    module = wide(family).model.encoder.pos_conv_embed
    rows = torch.randn(sum(lengths), 64)
    positions = build_positions(module, torch.float32)
    assert isinstance(positions, ChunkedConv)
    torch.testing.assert_close(positions(rows, lengths), alone(module, rows, lengths), atol=1e-5, rtol=1e-5)


def test_an_odd_kernel_keeps_the_number_of_frames_as_well(wide):
    module = wide("wav2vec2").model.encoder.pos_conv_embed
    module.conv = torch.nn.Conv1d(64, 64, 15, padding=7, groups=2)
    module.padding.num_pad_remove = 0
    rows = torch.randn(100, 64)
    ours = build_positions(module, torch.float32)(rows, [100])
    torch.testing.assert_close(ours, alone(module, rows, [100]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["data2vec-audio", "hubert-batch-norm"])
def test_other_kinds_run_as_they_are(family, wide):
    module = wide(family).model.encoder.pos_conv_embed
    rows, lengths = torch.randn(70, 64), [50, 20]
    ours = build_positions(module, torch.bfloat16)(rows, lengths)
    assert torch.equal(ours, alone(module, rows, lengths))


def test_narrow_groups_stay_in_float32(tiny):
    module = load_encoder(str(tiny["wav2vec2"])).model.encoder.pos_conv_embed
    rows = torch.randn(70, 16)
    assert torch.equal(build_positions(module, torch.bfloat16)(rows, [70]), module(rows[None])[0])
