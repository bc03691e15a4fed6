import pytest
import torch
from torch import nn
from transformers import AutoModel, SeamlessM4TFeatureExtractor

from sercl.errors import EncoderError
from sercl.models.encoders import load_encoder


@pytest.fixture
def encoder(tiny):
    return load_encoder(str(tiny["wav2vec2-bert"]))


def run(encoder, *clips):
    lengths = torch.tensor([len(clip) for clip in clips])
    with torch.inference_mode():
        return encoder(torch.nn.utils.rnn.pad_sequence(list(clips), batch_first=True), lengths)


def test_hidden_states_are_those_of_transformers(encoder, tiny, clips):
    reference = AutoModel.from_pretrained(tiny["wav2vec2-bert"]).eval()
    inputs = SeamlessM4TFeatureExtractor.from_pretrained(tiny["wav2vec2-bert"])(
        clips[2].numpy(), sampling_rate=16_000, return_tensors="pt"
    )
    with torch.inference_mode():
        expected = reference(**inputs, output_hidden_states=True).hidden_states
    ours = run(encoder, clips[2])
    frames = int(ours.lengths[0])
    assert len(ours.hidden_states) == len(expected) == 4
    for state, theirs in zip(ours.hidden_states, expected, strict=True):
        torch.testing.assert_close(state[:, :frames], theirs[:, :frames], atol=2e-3, rtol=0)


def test_there_are_50_frames_a_second_from_35_ms_on(encoder):
    assert encoder.frames_per_second == 50
    assert encoder.min_samples == 560
    assert encoder.frame_lengths(torch.tensor([560, 16_000, 160_000])).tolist() == [1, 49, 499]
    with pytest.raises(EncoderError, match="35 ms"):
        run(encoder, torch.zeros(559))


def test_adapters_find_their_places_in_every_block(encoder):
    traits = encoder.traits
    for block in encoder.blocks:
        assert all(isinstance(block.get_submodule(name), nn.Linear) for name in traits.block_linears)
        assert isinstance(block.get_submodule(traits.feed_forward), nn.Module)
    # Four projections of attention, and two matrices in each of the two feed-forwards.
    assert len(traits.block_linears) == len(set(traits.block_linears)) == 8
