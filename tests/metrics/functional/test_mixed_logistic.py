"""The mixed logistic model against lme4 and GPBoost, its gradients, and tests of nothing."""

from itertools import starmap

import numpy as np
import pytest
from scipy import optimize

from sercl.errors import UsageError
from sercl.metrics.functional.mixed_logistic import (
    ABSENT,
    MOST_LEVELS,
    MixedData,
    _Laplace,
    fit_mixed_logistic,
    log_odds_of,
    marginal_probability,
)

# New cases of a disease, and sizes, of 15 herds in up to four periods (Lesnoff et al. 2004; `cbpp` of lme4).
HERDS = {
    1: [(2, 14), (3, 12), (4, 9), (0, 5)], 2: [(3, 22), (1, 18), (1, 21)],
    3: [(8, 22), (2, 16), (0, 16), (2, 20)], 4: [(2, 10), (0, 10), (2, 9), (0, 6)],
    5: [(5, 18), (0, 25), (0, 24), (1, 4)], 6: [(3, 17), (0, 17), (0, 18), (1, 20)],
    7: [(8, 16), (1, 10), (3, 9), (0, 5)], 8: [(12, 34)], 9: [(2, 9), (0, 6), (0, 8), (0, 6)],
    10: [(1, 22), (1, 22), (0, 18), (2, 22)], 11: [(0, 25), (5, 27), (3, 22), (1, 22)],
    12: [(2, 10), (1, 8), (0, 6), (0, 5)], 13: [(1, 21), (2, 24), (0, 19), (0, 23)],
    14: [(11, 19), (0, 2), (0, 3), (0, 2)], 15: [(1, 19), (1, 15), (1, 15), (0, 15)],
}  # fmt: skip


def herds() -> MixedData:
    rows = [(herd, period, *own) for herd, found in HERDS.items() for period, own in enumerate(found)]
    herd, period, cases, size = np.array(rows).T
    fixed = np.eye(4)[period]
    fixed[:, 0] = 1
    return MixedData(cases / size, size.astype(float), fixed, {"herd": herd - 1})


def listening(seed: int, groups: int = 2, listeners: int = 15, items: int = 48) -> MixedData:
    """Return answers of groups that are equally able."""
    rng = np.random.default_rng(seed)
    people = groups * listeners
    listener, item = (axis.reshape(-1) for axis in np.indices((people, items)))
    speaker = item % 8
    parts = (rng.normal(0, sd, size) for sd, size in ((0.5, people), (0.8, items), (0.3, 8)))
    log_odds = 1 + sum(
        starmap(lambda own, code: own[code], zip(parts, (listener, item, speaker), strict=True))
    )
    right = (rng.random(len(listener)) < 1 / (1 + np.exp(-log_odds))).astype(float)
    factors = {"listener": listener, "item": item, "speaker": speaker}
    return MixedData(right, np.ones(len(right)), np.eye(groups)[listener // listeners], factors)


GPBOOST = {
    "loss": 789.615197,
    "effects": (1.060374, 1.164609),
    "variances": (0.216262, 0.836176, 0.164438),
}


def test_the_estimates_are_those_that_lme4_publishes() -> None:
    # glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), binomial), and its standard errors.
    found = fit_mixed_logistic(herds())
    assert found.effects == pytest.approx([-1.39853, -0.99233, -1.12867, -1.58032], abs=2e-4)
    assert found.deviations["herd"] == pytest.approx(0.6422, abs=2e-4)
    assert [found.test(row).error for row in np.eye(4)] == pytest.approx(
        [0.2325, 0.3066, 0.3266, 0.4274], abs=2e-4
    )
    assert found.converged
    assert found.at_bound == found.unbounded == ()


def test_crossed_factors_are_those_of_gpboost() -> None:
    # GPBoost 1.8.0, GPModel(group_data=[listener, item, speaker], likelihood="bernoulli_logit",
    # matrix_inversion_method="cholesky"), fit with delta_rel_conv 1e-12.
    found = fit_mixed_logistic(listening(0))
    assert -found.log_likelihood == pytest.approx(GPBOOST["loss"], abs=1e-4)
    assert found.effects == pytest.approx(GPBOOST["effects"], abs=2e-4)
    assert np.square(list(found.deviations.values())) == pytest.approx(GPBOOST["variances"], abs=2e-4)


def test_the_gradient_is_exact() -> None:
    data = listening(1, listeners=5, items=12)
    data = MixedData(data.right, data.weight, data.fixed, {**data.factors, "listener": _without_some(data)})
    likelihood = _Laplace(data)
    point = np.array([0.8, 1.2, 0.4, 0.7, 0.3])
    gradient = likelihood.value_and_gradient(point)[1]
    numeric = optimize.approx_fprime(point, lambda own: likelihood.value_and_gradient(own)[0], 1e-7)
    assert gradient == pytest.approx(numeric, abs=1e-4)


def _without_some(data: MixedData) -> np.ndarray:
    codes = data.factors["listener"].copy()
    codes[::7] = ABSENT
    return codes


def test_equal_groups_are_rarely_told_apart() -> None:
    found = 0
    for seed in range(60):
        fit = fit_mixed_logistic(listening(seed, listeners=8, items=24))
        found += fit.test(np.array([1.0, -1.0])).p < 0.05
    assert found <= 8  # 5 % and three binomial errors; 3 to 7 % in the long benchmark


def test_a_variance_that_is_not_there_is_at_its_bound() -> None:
    data = herds()
    half = np.tile([0.2, 0.3], 28)
    found = fit_mixed_logistic(MixedData(half, data.weight, data.fixed, data.factors))
    assert found.at_bound == ("herd",)
    assert found.deviations["herd"] == pytest.approx(0, abs=1e-3)
    assert found.test(np.array([0.0, 1.0, 0.0, 0.0])).p > 0.05


def test_an_effect_without_an_end_is_reported() -> None:
    data = listening(2, listeners=5, items=12)
    right = np.where(data.fixed[:, 0] > 0, 1.0, data.right)
    found = fit_mixed_logistic(MixedData(right, data.weight, data.fixed, data.factors))
    assert found.unbounded == (0,)


def test_what_cannot_be_fitted_is_refused() -> None:
    data = herds()
    with pytest.raises(UsageError, match="collinear"):
        MixedData(data.right, data.weight, data.fixed[:, [0, 0]], data.factors)
    with pytest.raises(UsageError, match="rows"):
        MixedData(data.right[1:], data.weight, data.fixed, data.factors)
    codes = np.arange(len(data.right)) + MOST_LEVELS
    with pytest.raises(UsageError, match="1,500"):
        MixedData(data.right, data.weight, data.fixed, {"item": codes})


def test_marginal_probabilities_and_back() -> None:
    draws = 1 / (1 + np.exp(-np.random.default_rng(0).normal(1.0, 1.2, 400_000)))
    assert float(marginal_probability(1.0, 1.2)) == pytest.approx(draws.mean(), abs=0.002)
    assert log_odds_of(float(marginal_probability(1.0, 1.2)), 1.2) == pytest.approx(1.0)
    with pytest.raises(UsageError, match="between 0 and 1"):
        log_odds_of(1.0, 0.5)
