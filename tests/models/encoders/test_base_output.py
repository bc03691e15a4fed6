import torch

from sercl.models.encoders.base import EncoderOutput
from sercl.models.encoders.fast.packed import JoinedStates


def test_clips_and_mask_are_the_same_whether_states_are_joined_or_padded():
    states, lengths = JoinedStates([torch.randn(5, 2), torch.ones(5, 2)], [2, 3]), torch.tensor([2, 3])
    joined, padded = EncoderOutput(states, lengths), EncoderOutput(tuple(states), lengths)
    assert joined.mask.tolist() == padded.mask.tolist() == [[True, True, False], [True] * 3]
    for state in range(2):
        assert [clip.shape for clip in joined.clips(state)] == [(2, 2), (3, 2)]
        for ours, theirs in zip(joined.clips(state), padded.clips(state), strict=True):
            assert torch.equal(ours, theirs)
