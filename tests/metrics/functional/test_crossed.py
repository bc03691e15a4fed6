"""Intervals over listeners and items: coverage and type I error by simulation."""

import numpy as np
import pytest
import torch
from scipy import stats

from sercl.errors import UsageError
from sercl.metrics.functional.classification import uar
from sercl.metrics.functional.crossed import Crossed, Estimate, crossed_estimates, crossed_median
from sercl.testing.listeners import Listening, expected_recall, simulate


def estimate(answers: np.ndarray, truth: np.ndarray, seed: int = 0, resamples: int = 300) -> Estimate:
    """Return the UAR of complete answers `[listeners, items]`."""
    listener, item = (axis.reshape(-1) for axis in np.indices(answers.shape))
    cells = np.eye(16)[truth[item] * 4 + answers.reshape(-1)]
    design = Crossed(listener, item, np.zeros(len(answers), dtype=int), truth)
    found = crossed_estimates(
        design, cells, lambda sums: uar(sums.reshape(-1, 4, 4))[:, None], resamples, seed
    )
    return found[0]


@pytest.mark.parametrize(
    "world",
    [
        Listening(listeners=20, per_emotion=12, ability=1.2, ability_sd=0.6, item_sd=1.0),
        Listening(listeners=12, per_emotion=12, ability=0.4, ability_sd=0.9, item_sd=0.3),
        Listening(listeners=30, per_emotion=8, ability=0.8, ability_sd=0.0, item_sd=0.0),
    ],
    ids=["both vary", "listeners vary", "nothing but answers"],
)
def test_intervals_cover(world: Listening) -> None:
    true = expected_recall(world)
    covered = 0
    for seed in range(200):
        answers, truth = simulate(world, seed)
        low, high = estimate(answers, truth, seed).interval()
        covered += low <= true <= high
    # 93 to 97 % in the long benchmark; of 200 the binomial error is 1.5 points.
    assert 0.91 <= covered / 200 <= 0.99


def test_the_error_is_that_of_theory_for_means() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1.0, (40, 1)) + rng.normal(0, 0.7, (1, 60)) + rng.normal(0, 2.0, (40, 60))
    listener, item = (axis.reshape(-1) for axis in np.indices(values.shape))
    design = Crossed(listener, item, np.zeros(40, dtype=int), np.zeros(60, dtype=int))
    columns = np.stack([values.reshape(-1), np.ones(values.size)], axis=1)
    found = crossed_estimates(design, columns, lambda sums: sums[:, :1] / sums[:, 1:], 4000)[0]
    by_listener, by_item = values.mean(axis=1), values.mean(axis=0)
    left = values - by_listener[:, None] - by_item + values.mean()
    single = (left**2).sum() / (39 * 59) / values.size
    expected = by_listener.var(ddof=1) / 40 + by_item.var(ddof=1) / 60 - single
    assert found.value == pytest.approx(values.mean())
    assert found.error == pytest.approx(np.sqrt(expected), rel=0.05)


def mean_of(values: np.ndarray, heard: np.ndarray, resamples: int = 200) -> Estimate:
    """Return the mean of `[listeners, items]` values that were heard."""
    listener, item = np.nonzero(heard)
    design = Crossed(listener, item, np.zeros(len(values), dtype=int), np.zeros(values.shape[1], dtype=int))
    columns = np.stack([values[heard], np.ones(len(listener))], axis=1)
    return crossed_estimates(design, columns, lambda sums: sums[..., :1] / sums[..., 1:], resamples)[0]


@pytest.mark.parametrize("share", [1.0, 0.25], ids=["all items", "a quarter of the items"])
def test_the_variance_is_right_for_few_listeners(share: float) -> None:
    shape, rng = (6, 16), np.random.default_rng(0)
    found = []
    for _ in range(300):
        values = rng.normal(0, 0.5, (6, 1)) + rng.normal(0, 1.5, (1, 16)) + rng.normal(0, 0.5, shape)
        heard = rng.random(shape).argsort(axis=1) < share * 16
        heard[rng.integers(6, size=16), np.arange(16)] = True  # nobody hears an item: it is none
        found.append(mean_of(values, heard, 100))
    true = np.var([own.value for own in found])
    assert np.mean([own.error**2 for own in found]) == pytest.approx(true, rel=0.15)


def test_of_listeners_with_items_of_their_own_only_listeners_are_drawn() -> None:
    values = np.random.default_rng(0).normal(0, 1, (10, 40))
    own = np.arange(40) // 4 == np.arange(10)[:, None]
    means = values[own].reshape(10, 4).mean(axis=1)
    assert mean_of(values, own, 4000).error == pytest.approx(means.std(ddof=1) / np.sqrt(10), rel=0.05)


def test_one_listener_leaves_an_interval_over_items() -> None:
    answers, truth = simulate(Listening(listeners=1, per_emotion=10), 0)
    found = estimate(answers, truth)
    assert found.listeners == 1
    assert found.error > 0


def test_a_perfect_score_has_an_exact_interval() -> None:
    truth = np.repeat(np.arange(4), 5)
    found = estimate(np.tile(truth, (6, 1)), truth)
    low, high = found.interval()
    assert (found.value, high) == (1.0, 1.0)
    assert low == pytest.approx(stats.binomtest(6, 6).proportion_ci(method="exact").low)


def test_test_and_interval_agree() -> None:
    for value in (-0.3, -0.1, 0.05, 0.2):
        own = Estimate(value, 0.08, 15.0, 20, 40)
        low, high = own.interval(bounded=False)
        assert (own.p < 0.05) == (low > 0 or high < 0)


def test_equivalence_is_two_one_sided_tests() -> None:
    own = Estimate(0.01, 0.015, 20.0, 20, 40)
    below = stats.t.sf((0.01 + 0.05) / 0.015, 20)
    above = stats.t.cdf((0.01 - 0.05) / 0.015, 20)
    assert own.p_equivalent(0.05) == pytest.approx(max(below, above))
    low, high = own.interval(bounded=False, level=0.9)
    assert (own.p_equivalent(0.05) < 0.05) == (low > -0.05 and high < 0.05)
    with pytest.raises(UsageError, match="above 0"):
        own.p_equivalent(0)


def test_the_same_seed_gives_the_same_error() -> None:
    answers, truth = simulate(Listening(), 3)
    assert estimate(answers, truth, 5) == estimate(answers, truth, 5)


def test_shapes_are_checked() -> None:
    none = np.zeros(0, dtype=int)
    with pytest.raises(UsageError, match="at least one answer"):
        Crossed(none, none, none, none)
    one = np.zeros(1, dtype=int)
    with pytest.raises(UsageError, match="a row per answer"):
        crossed_estimates(Crossed(one, one, one, one), np.ones((2, 1)), lambda sums: sums)
    assert torch.get_default_dtype() == torch.float32


def test_the_median_of_distances() -> None:
    people, items = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert crossed_median(np.array([0.1, 0.3, 0.2, 0.8]), people, items, 50).value == pytest.approx(0.25)
    equal = crossed_median(np.full(4, 0.2), people, items, 50)
    assert (equal.value, equal.listeners, equal.items) == (0.2, 2, 2)
    assert equal.error == pytest.approx(0)
    assert np.isnan(crossed_median(np.zeros(0), np.zeros(0, int), np.zeros(0, int)).value)


def test_the_interval_of_a_median_covers() -> None:
    people, items = (axis.reshape(-1) for axis in np.indices((15, 24)))
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        own, clip = rng.lognormal(0, 0.4, (15, 1)), rng.lognormal(0, 0.3, (1, 24))
        values = np.abs(rng.normal(0, 1, (15, 24))) * own * clip
        low, high = crossed_median(values.reshape(-1), people, items, 100, seed).interval(bounded=False)
        # The median of |normal| times a log-normal of variance 0.16 + 0.09, from five million draws.
        covered += low <= 0.640 <= high
    assert covered / 60 >= 0.88


def test_a_pair_of_the_same_listener_is_left_out_of_draws() -> None:
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    found = crossed_median(np.array([0.1, 0.2, 0.3]), pairs, np.zeros(3, dtype=int), 200)
    assert (found.value, found.listeners, found.items) == (0.2, 3, 1)
    assert found.error > 0
