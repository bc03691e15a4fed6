import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModel, Wav2Vec2FeatureExtractor

from sercl.models.encoders import load_encoder
from sercl.models.encoders.wav2vec2 import standardize_waveforms, wants_normalization
from sercl.testing.encoders import tiny_encoder


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tiny_encoder("wav2vec2", tmp_path_factory.mktemp("encoder"))
    return load_encoder(str(folder)), AutoModel.from_pretrained(folder)


@given(samples=st.integers(400, 500_000))
def test_frame_lengths_are_those_of_transformers(samples, pair):
    encoder, reference = pair
    samples = torch.tensor([samples])
    assert torch.equal(encoder.frame_lengths(samples), reference._get_feat_extract_output_lengths(samples))


def test_a_second_has_49_frames_of_20_ms(pair):
    encoder, _ = pair
    assert encoder.frame_lengths(torch.tensor([399, 400, 16_000])).tolist() == [0, 1, 49]
    assert (encoder.min_samples, encoder.frames_per_second) == (400, 50.0)


def test_standardized_waveforms_are_those_of_the_feature_extractor(clips):
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    arrays = [clip.numpy() for clip in clips]
    theirs = extractor(arrays, sampling_rate=16_000, padding=True, return_tensors="pt")
    ours = standardize_waveforms(
        torch.nn.utils.rnn.pad_sequence(clips, batch_first=True), torch.tensor([len(clip) for clip in clips])
    )
    torch.testing.assert_close(ours, theirs["input_values"], atol=1e-5, rtol=1e-5)


def test_silence_stays_finite():
    assert standardize_waveforms(torch.zeros(1, 400), torch.tensor([400])).abs().max() == 0


@pytest.mark.parametrize(
    ("norm", "preprocessor", "expected"),
    [
        ("group", {"do_normalize": True}, True),
        ("layer", {"do_normalize": False}, False),
        ("group", {}, True),  # the default of Wav2Vec2FeatureExtractor
        ("group", None, False),
        ("layer", None, True),
    ],
)
def test_the_preprocessor_config_decides_on_normalization_before_the_norm_does(norm, preprocessor, expected):
    config = AutoConfig.for_model("wav2vec2", feat_extract_norm=norm)
    assert wants_normalization(config, preprocessor) is expected


@pytest.mark.parametrize(
    ("family", "expected"), [("wav2vec2", True), ("wavlm", False), ("data2vec-audio", True)]
)
def test_checkpoints_are_obeyed(family, expected, tiny):
    assert load_encoder(str(tiny[family])).preprocessing["normalize"] is expected
