"""Intervals that hold at all times."""

import numpy as np
import pytest
from scipy import stats

from sercl.errors import UsageError
from sercl.metrics.functional.anytime import Sequential, sequential_difference, sequential_mean


def ever_missed(seed: int, alpha: float = 0.05) -> bool:
    values = np.random.default_rng(seed).normal(0.7, 0.1, 60)
    found = (sequential_mean(values[:count]) for count in range(2, 61))
    return any(abs(own.value - 0.7) > own.half_width(alpha, 30) for own in found)


def test_looking_after_every_unit_keeps_the_error() -> None:
    assert sum(map(ever_missed, range(400))) / 400 < 0.05


def test_a_t_interval_does_not() -> None:
    missed = 0
    for seed in range(400):
        values = np.random.default_rng(seed).normal(0.7, 0.1, 60)
        found = [sequential_mean(values[:count]) for count in range(2, 61)]
        missed += any(abs(own.value - 0.7) > stats.t.ppf(0.975, own.df) * own.error for own in found)
    assert missed / 400 > 0.15


def test_the_interval_is_where_the_likelihood_ratio_is_below_its_bound() -> None:
    own = Sequential(0.0, 0.02, 25.0, 24)
    half = own.half_width(0.05, 25)
    growth, square = 1 + 8.0, (half / own.error) ** 2 / own.df
    ratio = ((1 + square) / (1 + square / growth)) ** (25 / 2) / np.sqrt(growth)  # Gönen et al. 2005
    assert ratio == pytest.approx(1 / 0.05)
    assert 3 < half / own.error < 3.6


def test_differences_have_the_error_of_a_t_test() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 1, 12), rng.normal(1, 1, 20)
    own = sequential_difference(first, second)
    assert own.value / own.error == pytest.approx(stats.ttest_ind(first, second).statistic)
    assert own.df == 30


def test_too_few_units_have_no_interval() -> None:
    assert sequential_mean(np.array([0.7, 0.8])).half_width(0.05, 30) == np.inf
    assert sequential_mean(np.array([])).half_width(0.05, 30) == np.inf
    assert sequential_mean(np.full(20, 1.0)).half_width(0.05, 30) == np.inf
    assert np.isfinite(sequential_mean(np.full(20, 1.0), 0.02).half_width(0.05, 30))
    assert sequential_difference(np.array([]), np.array([1.0])).df == 0
    with pytest.raises(UsageError, match="alpha 0"):
        sequential_mean(np.arange(5.0)).half_width(0.0, 30)
