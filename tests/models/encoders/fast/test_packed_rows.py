import pytest
import torch

from sercl.models.encoders.fast.packed import JoinedStates, join


@pytest.fixture
def states():
    return JoinedStates([torch.arange(10.0).view(5, 2), torch.ones(5, 2)], [2, 3])


def test_a_state_is_padded_with_zeros(states):
    assert states[0].tolist() == [[[0, 1], [2, 3], [0, 0]], [[4, 5], [6, 7], [8, 9]]]
    assert torch.equal(states[-1], states[1])


@torch.inference_mode(False)
def test_the_gradient_of_a_padded_state_is_that_of_its_frames_copied_once():
    rows = torch.randn(6, 2, requires_grad=True)
    padded = JoinedStates([rows], [2, 3, 1])[0]
    assert not any("CopySlices" in name for name in _operations(padded))
    weights = torch.randn(3, 3, 2)
    (padded * weights).sum().backward()
    assert torch.equal(rows.grad, torch.cat([weights[0, :2], weights[1], weights[2, :1]]))


def _operations(tensor):
    """Return the names of the nodes of its graph."""
    left, names = [tensor.grad_fn], []
    while left:
        node = left.pop()
        names.append(node.name())
        left += [each for each, _ in node.next_functions if each is not None]
    return names


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
