import numpy as np
import pytest

from sercl.studies.results.paired import count_votes, shared_utterances
from tests.studies.samples import predictions


def test_repeats_share_a_vote_and_folds_do_not() -> None:
    votes = count_votes(predictions([0, 1], [0, 1], [0, 2], [0, 2]))
    assert votes.index.tolist() == ["u0", "u1"]
    assert votes.counts[0].tolist() == pytest.approx([1, 0, 0, 0])
    assert votes.counts[1].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 0])
    twice = count_votes(predictions([0, 0], [0, 1], utterances=["a", "a"], folds=[0, 1]))
    assert twice.counts.tolist() == [[1, 1, 0, 0]]


def test_only_shared_utterances_of_the_same_class_are_paired() -> None:
    first = predictions([0, 1, 2], [0, 1, 1], utterances=["a", "b", "c"])
    second = predictions([0, 3, 2, 0], [0, 3, 2, 0], utterances=["c", "b", "d", "a"])
    pair = shared_utterances(count_votes(first), count_votes(second))
    assert pair.contradicting == 2  # b and c
    assert pair.first.index.tolist() == pair.second.index.tolist() == ["a"]
    assert pair.differ == 0


def test_shared_utterances_weigh_the_same_on_both_sides() -> None:
    often = count_votes(predictions([0, 0, 1], [0, 1, 1], utterances=["a", "a", "b"], folds=[0, 1, 0]))
    once = count_votes(predictions([0, 1], [1, 1], utterances=["a", "b"]))
    pair = shared_utterances(often, once)
    assert pair.first.counts.tolist() == [[0.5, 0.5, 0, 0], [0, 1, 0, 0]]
    assert pair.second.counts.sum(axis=1).tolist() == [1, 1]
    assert pair.differ == 1


def test_the_same_utterances_keep_their_weight() -> None:
    both = count_votes(predictions([0, 0], [0, 1], utterances=["a", "a"], folds=[0, 1]))
    assert np.array_equal(shared_utterances(both, both).first.counts, both.counts)
