"""Soft labels and confusion similarity against scipy."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import spearmanr

from sercl.errors import UsageError
from sercl.metrics.functional.soft_labels import (
    confusion_similarity,
    cross_entropy,
    difficulty_correlation,
    exchange_test,
    jensen_shannon,
    noise_ceiling,
)

RNG = np.random.default_rng(0)


def test_divergence_is_that_of_scipy() -> None:
    first, second = RNG.random((5, 4)), RNG.random((5, 4))
    expected = [jensenshannon(a, b, base=2) ** 2 for a, b in zip(first, second, strict=True)]
    assert jensen_shannon(first, second) == pytest.approx(expected)
    assert jensen_shannon(np.array([1.0, 0]), np.array([0, 1.0])) == 1
    assert np.isnan(jensen_shannon(np.zeros(2), np.ones(2)))


def test_cross_entropy_is_finite() -> None:
    votes = np.array([[3.0, 1.0], [0.0, 0.0]])
    found = cross_entropy(votes, np.array([[1.0, 0.0], [0.5, 0.5]]))
    assert found[0] == pytest.approx(-0.25 * np.log(1e-6), rel=1e-3)
    assert np.isnan(found[1])


def test_difficulty_correlation_is_spearmans() -> None:
    first, second = RNG.random(40), RNG.random(40)
    assert difficulty_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert np.isnan(difficulty_correlation(np.ones(5), RNG.random(5)))


def test_a_hard_emotion_alone_does_not_correlate_items() -> None:
    groups = np.repeat([0, 1], 30)
    first, second = RNG.random(60) + groups, RNG.random(60) + groups
    assert difficulty_correlation(first, second) > 0.5
    assert abs(difficulty_correlation(first, second, groups)) < 0.4


def test_the_same_pattern_of_errors_is_found() -> None:
    first = np.array([[50, 9, 1, 0], [2, 50, 8, 0], [0, 1, 50, 9], [8, 0, 2, 50]])
    found = exchange_test(first, 3 * first)
    assert confusion_similarity(first, 3 * first) == pytest.approx(1)
    assert found.p == found.smallest == pytest.approx(1 / 24)
    with pytest.raises(UsageError, match="equal squares"):
        exchange_test(first, first[:, :3])


def test_unrelated_errors_are_not_called_alike() -> None:
    rng = np.random.default_rng(2)
    ps = [exchange_test(rng.integers(0, 9, (4, 4)), rng.integers(0, 9, (4, 4))).p for _ in range(200)]
    assert np.mean(np.asarray(ps) < 0.05) < 0.08


def test_the_ceiling_is_between_listeners() -> None:
    rng = np.random.default_rng(3)
    people = rng.multinomial(12, [0.7, 0.2, 0.1], size=(8, 3)).astype(float)
    lower, upper = noise_ceiling(people)
    assert 0.5 < lower < upper < 1
    assert np.isnan(noise_ceiling(people[:1])).all()
