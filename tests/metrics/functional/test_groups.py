import numpy as np
import pytest
from scipy import stats

from sercl.metrics.functional.classification import AVERAGES, uar
from sercl.metrics.functional.groups import group_test

WA = AVERAGES["wa"].of


def confusions(right, totals):
    """`[speakers, 1, classes, classes]`; what is wrong is taken for the next class."""
    right, totals = np.asarray(right), np.asarray(totals)
    speakers, classes = right.shape
    found = np.zeros((speakers, 1, classes, classes), dtype=np.int64)
    for index in range(classes):
        found[:, 0, index, index] = right[:, index]
        found[:, 0, index, (index + 1) % classes] = (totals - right)[:, index]
    return found


def alone(first, second):
    """Two groups of different speakers."""
    return np.concatenate([first, np.zeros_like(second)]), np.concatenate([np.zeros_like(first), second])


def scores(test):
    return test.difference, test.low, test.high, test.p


def test_of_equally_many_utterances_the_test_is_welchs():
    rng = np.random.default_rng(0)
    rights = [rng.integers(0, 11, size=(size, 4)) for size in (6, 11)]
    first, second = alone(*(confusions(right, np.full_like(right, 10)) for right in rights))
    means = [right.mean(axis=1) / 10 for right in rights]
    expected = stats.ttest_ind(*means, equal_var=False)
    ends = expected.confidence_interval(0.95)
    for statistic in (uar, WA):
        found = group_test(first, second, statistic)
        difference = means[0].mean() - means[1].mean()
        assert scores(found) == pytest.approx((difference, ends.low, ends.high, expected.pvalue))
        assert found.shared == 0


def test_of_the_same_speakers_the_test_is_paired():
    rng = np.random.default_rng(1)
    rights = [rng.integers(0, 11, size=(9, 4)) for _ in range(2)]
    first, second = (confusions(right, np.full_like(right, 10)) for right in rights)
    means = [right.mean(axis=1) / 10 for right in rights]
    expected = stats.ttest_rel(*means)
    ends = expected.confidence_interval(0.95)
    found = group_test(first, second)
    difference = means[0].mean() - means[1].mean()
    assert scores(found) == pytest.approx((difference, ends.low, ends.high, expected.pvalue))
    assert found.shared == 9


def test_repeats_are_averaged_and_are_no_further_speakers():
    rng = np.random.default_rng(2)
    rights = [rng.integers(0, 6, size=(size, 4)) for size in (6, 7)]
    once = alone(*(confusions(right, np.full_like(right, 5)) for right in rights))
    twice = [np.concatenate([own, own], axis=1) for own in once]
    assert scores(group_test(*twice)) == pytest.approx(scores(group_test(*once)))


def test_the_second_minus_the_first_is_the_same_with_another_sign():
    rng = np.random.default_rng(3)
    rights = [rng.integers(0, 6, size=(size, 4)) for size in (6, 9)]
    first, second = alone(*(confusions(right, np.full_like(right, 5)) for right in rights))
    one, other = group_test(first, second), group_test(second, first)
    assert (one.difference, one.low, one.p) == pytest.approx((-other.difference, -other.high, other.p))
    assert (one.p < 0.05) == (one.low > 0 or one.high < 0)


def test_a_few_speakers_of_one_kind_are_not_a_stratum_of_their_own():
    rng = np.random.default_rng(4)
    right = rng.integers(0, 6, size=(8, 4))
    first, second = (confusions(right, np.full_like(right, 5)) for _ in range(2))
    first[0] = 0  # one speaker in the second group only
    found = group_test(first, second)
    assert found.shared == 7
    assert found.low < found.difference < found.high


@pytest.mark.parametrize("sizes", [(6, 6), (1, 6), (1, 1)])
def test_without_variance_there_is_no_test(sizes):
    groups = [confusions(np.full((size, 4), 5), np.full((size, 4), 5)) for size in sizes]
    found = group_test(*alone(*groups))
    assert found.difference == 0
    assert np.isnan([found.low, found.high, found.p]).all()


def simulated(seed, sizes, spread, shared, times=500):
    """Return how often the interval covers the true difference, 0, of speakers who differ."""
    rng = np.random.default_rng(seed)
    people = sum(sizes) - shared
    covered = 0
    for _ in range(times):
        ability = rng.normal(0.8, spread, size=(people, 1)) + rng.normal(0, 0.4, size=(people, 4))
        totals = rng.integers(1, 10, size=(2, people, 4))
        first, second = (confusions(rng.binomial(own, 1 / (1 + np.exp(-ability))), own) for own in totals)
        first[sizes[0] :], second[: sizes[0] - shared] = 0, 0
        test = group_test(first, second)
        covered += test.low <= 0 <= test.high
        assert (test.p >= 0.05) == (test.low <= 0 <= test.high)
    return covered / times


@pytest.mark.parametrize(
    ("sizes", "spread", "shared"),
    [((5, 5), 0.8, 0), ((8, 30), 0.8, 0), ((10, 10), 0.8, 10), ((12, 9), 0.5, 4)],
)
def test_intervals_cover_the_difference_as_often_as_they_say(sizes, spread, shared):
    assert 0.92 <= simulated(0, sizes, spread, shared) <= 0.98
