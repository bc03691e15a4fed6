import pytest
import torch
from transformers import WhisperFeatureExtractor

from sercl.models.encoders.masking import frame_mask
from sercl.models.encoders.whisper import LogMel


@pytest.mark.parametrize("bins", [80, 128])
def test_padded_it_equals_transformers_feature_extractor(bins, clips):
    extractor = WhisperFeatureExtractor(feature_size=bins)
    whole = torch.randn(480_000) * 0.1  # 30 s: nothing to pad, the end is reflected
    batch = torch.nn.utils.rnn.pad_sequence([*clips, whole], batch_first=True)
    ours = LogMel.of(extractor)(batch, 3000)
    for row, clip in enumerate([*clips, whole]):
        reference = extractor(clip.numpy(), sampling_rate=16_000, return_tensors="pt").input_features
        assert (ours[row] - reference[0]).abs().max() < 1e-4


def test_masked_it_is_the_padded_one_cut_and_zero_beyond(clips):
    extractor = WhisperFeatureExtractor()
    log_mel, lengths = LogMel.of(extractor), torch.tensor([len(clip) for clip in clips])
    batch = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    frames = -(-lengths // 160)
    mask = frame_mask(frames, int(frames.max()))
    short, padded = log_mel(batch, mask.shape[1], mask), log_mel(batch, 3000)
    assert short[~mask[:, None].expand_as(short)].abs().max() == 0
    for row, count in enumerate(frames.tolist()):
        torch.testing.assert_close(short[row, :, :count], padded[row, :, :count], atol=1e-5, rtol=0)


def test_autocast_does_not_touch_it(clips):
    log_mel = LogMel.of(WhisperFeatureExtractor())
    with torch.autocast("cpu", torch.bfloat16):
        cast = log_mel(clips[0][None], 100)
    assert torch.equal(cast, log_mel(clips[0][None], 100))


def test_masked_frames_do_not_count_as_loudest():
    click = torch.randn(1600, generator=torch.Generator().manual_seed(0)) * 1e-4
    click[-5:] = 1.0  # loudest in the frame that begins where the clip ends
    log_mel, mask = LogMel.of(WhisperFeatureExtractor()), frame_mask(torch.tensor([10]), 20)
    alone = log_mel(click[None], 10, mask[:, :10])
    padded = log_mel(torch.nn.functional.pad(click, (0, 1600))[None], 20, mask)
    torch.testing.assert_close(padded[..., :10], alone)
