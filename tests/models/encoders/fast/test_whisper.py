import pytest
import torch
from torch import nn

from sercl.models.encoders.fast.whisper import FastWhisper, fits


@pytest.mark.parametrize("mel_frames", [1, 2, 15, 16, 17, 33])
def test_frames_of_any_number(mel_frames, wide):
    model = wide("whisper").model
    clips = [torch.randn(model.config.num_mel_bins, frames) for frames in (mel_frames, 40)]
    states, lengths = FastWhisper(model, torch.float32)(clips)
    assert lengths == [(mel_frames + 1) // 2, 20]
    for clip, ours in zip(clips, states[0].split(lengths), strict=True):
        hidden = nn.functional.gelu(model.conv2(nn.functional.gelu(model.conv1(clip[None]))))[0].T
        expected = hidden + model.embed_positions.weight[: len(hidden)]
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_only_whisper_as_it_was_published_fits(wide):
    model = wide("whisper").model
    assert fits(model)
    model.config.activation_function = "relu"
    assert not fits(model)
    model.config.activation_function = "gelu"
    model.layers[0] = nn.Identity()
    assert not fits(model)
