import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sercl.diarization.frames import runs
from sercl.diarization.postprocess import frames_in, median_smoothed, viterbi, without_short_runs
from sercl.errors import UsageError


def drawn(frames, classes=3):
    def scaled(array):
        return array / array.sum(axis=1, keepdims=True)

    return hnp.arrays(np.float64, (frames, classes), elements=st.floats(0.01, 1)).map(scaled)


def path_score(path, probabilities, penalty):
    switches = sum(one != other for one, other in itertools.pairwise(path))
    return (
        sum(np.log(row[label]) for row, label in zip(probabilities, path, strict=True)) - penalty * switches
    )


@settings(max_examples=40)
@given(drawn(5), st.floats(0, 4))
def test_viterbi_finds_the_best_of_all_paths(probabilities, penalty):
    best = max(path_score(path, probabilities, penalty) for path in itertools.product(range(3), repeat=5))
    found = path_score(viterbi(probabilities, penalty), probabilities, penalty)
    assert found == pytest.approx(best)


@given(drawn(12))
def test_without_a_penalty_each_frame_stands_alone_and_with_a_large_one_none_does(probabilities):
    free = viterbi(probabilities, 0.0)
    chosen = probabilities[np.arange(12), free]
    assert np.allclose(chosen, probabilities.max(axis=1))
    assert len(set(viterbi(probabilities, 1e6).tolist())) == 1


def test_a_median_removes_what_is_shorter_than_half_of_it():
    probabilities = np.full((20, 2), [0.9, 0.1])
    probabilities[7:9] = [0.1, 0.9]
    probabilities[14:20] = [0.1, 0.9]
    labels = median_smoothed(probabilities, 5).argmax(axis=1)
    assert runs(labels.tolist()) == [(0, 14, 0), (14, 20, 1)]
    assert np.array_equal(median_smoothed(probabilities, 1), probabilities)
    with pytest.raises(UsageError, match="odd"):
        median_smoothed(probabilities, 4)


@given(drawn(15), st.sampled_from([1, 3, 7, 31]))
def test_smoothed_rows_are_probabilities(probabilities, width):
    assert np.allclose(median_smoothed(probabilities, width).sum(axis=1), 1)


def slowly_without_short_runs(labels, probabilities, shortest):
    """The rule as the docstring states it, run by run."""
    labels = list(labels)
    while True:
        found = runs(labels)
        short = [run for run in found if run[1] - run[0] < shortest]
        if not short or len(found) == 1:
            return labels
        first, last, _ = min(short, key=lambda run: (run[1] - run[0], run[0]))
        near = [labels[place] for place in (first - 1, last) if 0 <= place < len(labels)]
        sums = probabilities[first:last].sum(axis=0)
        labels[first:last] = [max(near, key=lambda label: sums[label])] * (last - first)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.integers(0, 8), st.data())
def test_short_runs_go_shortest_first_to_the_more_probable_neighbour(labels, shortest, data):
    # Whole numbers, whose sums are exact in any order.
    probabilities = data.draw(hnp.arrays(np.int64, (len(labels), 3), elements=st.integers(0, 9)))
    found = without_short_runs(np.array(labels), probabilities, shortest).tolist()
    assert found == slowly_without_short_runs(labels, probabilities, shortest)
    assert len(runs(found)) == 1 or all(last - first >= shortest for first, last, _ in runs(found))


def test_many_short_runs_are_quick():
    labels = np.arange(100_000) % 3
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 100_000)
    assert len(without_short_runs(labels, probabilities, 10)) == 100_000


def test_wrong_penalty_and_no_frames():
    with pytest.raises(UsageError, match="0 or more"):
        viterbi(np.ones((2, 2)), -1.0)
    empty = np.zeros((0, 3))
    assert viterbi(empty, 1.0).tolist() == []
    assert median_smoothed(empty, 3).shape == (0, 3)
    assert without_short_runs(np.zeros(0, dtype=np.int64), empty, 5).tolist() == []


def test_frames_in_a_stretch_of_time():
    assert frames_in(0.2, 0.02) == 10
    assert frames_in(0.21, 0.02) == 11
    assert frames_in(0.0, 0.02) == 0
