import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import SeamlessM4TFeatureExtractor

from sercl.models.encoders.w2v_bert import Fbank

EXTRACTOR = SeamlessM4TFeatureExtractor(padding_value=1.0)


def reference(clips):
    arrays = [clip.numpy() for clip in clips]
    return EXTRACTOR(arrays, sampling_rate=16_000, return_tensors="pt")


def test_it_equals_transformers_feature_extractor(clips):
    lengths = torch.tensor([len(clip) for clip in clips])
    fbank = Fbank.of(EXTRACTOR)
    ours = fbank(torch.nn.utils.rnn.pad_sequence(clips, batch_first=True), lengths)
    theirs = reference(clips)
    assert fbank.lengths(lengths).tolist() == theirs["attention_mask"].sum(1).tolist()
    for row, frames in enumerate(fbank.lengths(lengths).tolist()):
        difference = (ours[row, :frames] - theirs["input_features"][row, :frames]).abs().max()
        assert difference < 1e-3  # float32 against float64: up to 3e-4 in the weakest bins


@settings(max_examples=15, deadline=None)
@given(samples=st.integers(560, 4000))
def test_lengths_are_those_of_the_attention_mask(samples):
    mask = reference([torch.randn(samples)])["attention_mask"]
    assert Fbank.of(EXTRACTOR).lengths(torch.tensor(samples)) == mask.sum()


def test_the_shortest_clip_has_one_frame():
    fbank = Fbank.of(EXTRACTOR)
    assert fbank.min_samples == 560
    assert fbank.lengths(torch.tensor([559, 560])).tolist() == [0, 1]
    assert fbank(torch.randn(1, 560), torch.tensor([560])).isfinite().all()


@pytest.mark.parametrize("level", [0.0, 1e-6])
def test_silence_gives_finite_features(level):
    silence = torch.full((1, 1600), level)
    assert Fbank.of(EXTRACTOR)(silence, torch.tensor([1600])).isfinite().all()
