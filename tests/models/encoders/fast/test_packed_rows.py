import pytest
import torch

from sercl.models.encoders.fast.packed import JoinedStates, join


@pytest.fixture
def states():
    return JoinedStates([torch.arange(10.0).view(5, 2), torch.ones(5, 2)], [2, 3])


def test_a_state_is_padded_with_zeros(states):
    assert states[0].tolist() == [[[0, 1], [2, 3], [0, 0]], [[4, 5], [6, 7], [8, 9]]]
    assert torch.equal(states[-1], states[1])


def test_it_is_a_sequence(states):
    assert len(states) == 2
    assert [state.shape for state in states] == [(2, 3, 2)] * 2
    assert [len(part) for part in (states[:1], states[1:], states[:])] == [1, 1, 2]
    with pytest.raises(IndexError):
        states[2]


def test_clips_are_views_of_the_rows(states):
    clips = states.clips(0)
    assert [clip.tolist() for clip in clips] == [[[0, 1], [2, 3]], [[4, 5], [6, 7], [8, 9]]]


@pytest.mark.parametrize(("lengths", "rows"), [((1,), 32), ((32,), 32), ((30, 3), 64)])
def test_clips_are_joined_to_few_numbers_of_rows(lengths, rows):
    clips = [torch.randn(length, 2) for length in lengths]
    joined = join(clips)
    assert len(joined) == rows
    assert torch.equal(joined[: sum(lengths)], torch.cat(clips))
    assert not joined[sum(lengths) :].any()
