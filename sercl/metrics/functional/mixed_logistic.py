"""Logistic regression with crossed random effects, such as those of listeners, items and speakers.

The log-odds of a right answer are fixed effects plus normal random intercepts of any number of factors,
which may be crossed, nested or partly absent. Fixed effects and standard deviations maximise the Laplace
approximation of the marginal likelihood, with exact gradients: what `glmer` of lme4 does by default, whose
published estimates the tests reproduce, beside those of GPBoost. Covariances are from the Hessian over both,
so that the uncertainty of standard deviations is part of them. Contrasts are tested by t with Satterthwaite's
degrees of freedom, as few listeners need; `benchmarks/listening.py` simulates how often that is right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, special, stats

from sercl.errors import UsageError

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

ABSENT = -1
"""Level of a factor that has no part in an observation, as a listener has none in a model's answer."""

MOST_LEVELS = 1500
"""Most levels of all factors together; the time grows with their cube."""

_START, _MOST_SD, _MOST_EFFECT = 0.5, 10.0, 20.0
_ZERO_SD = 1e-3
"""Below, a standard deviation is at its bound: nothing of the kind is seen in the data."""
_FAR = 10.0
"""Beyond, a fixed effect is at its bound: all answers of its kind are right, or all wrong."""
_STEP = 1e-4


@dataclass(frozen=True)
class MixedData:
    """What was observed.

    Attributes:
        right: `[rows]` share of right answers, 0 to 1.
        weight: `[rows]` number of answers.
        fixed: `[rows, effects]` design of the fixed effects.
        factors: Name -> `[rows]` level of the random factor, `ABSENT` where it has no part.
    """

    right: Floats
    weight: Floats
    fixed: Floats
    factors: Mapping[str, Indices]
    sizes: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        rows = {len(self.right), len(self.weight), len(self.fixed), *map(len, self.factors.values())}
        if len(rows) != 1 or not len(self.right) or not self.factors:
            raise UsageError(
                f"mixed model: {sorted(rows)} rows; as many of everything, and a factor, are needed."
            )
        sizes = tuple(int(codes.max(initial=ABSENT)) + 1 for codes in self.factors.values())
        object.__setattr__(self, "sizes", sizes)
        if sum(sizes) > MOST_LEVELS:
            raise UsageError(
                f"mixed model: {sum(sizes):,} listeners, items and other levels; at most {MOST_LEVELS:,} fit."
            )
        if np.linalg.matrix_rank(self.fixed) < self.fixed.shape[1]:
            raise UsageError("mixed model: the fixed effects cannot be told apart (collinear columns).")

    @cached_property
    def columns(self) -> Indices:
        """`[factors, rows]` index into all levels; their number where the factor is absent."""
        starts = np.cumsum([0, *self.sizes[:-1]])
        codes = np.stack(list(self.factors.values()))
        return np.where(codes == ABSENT, sum(self.sizes), codes + starts[:, None])


@dataclass(frozen=True)
class WaldTest:
    """A contrast of fixed effects.

    Attributes:
        value: In log-odds.
        error: Its standard error.
        df: Satterthwaite's degrees of freedom.
        p: Of the two-sided test that it is 0.
    """

    value: float
    error: float
    df: float
    p: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the ends of the interval, in log-odds."""
        half = float(stats.t.ppf((1 + level) / 2, self.df)) * self.error
        return self.value - half, self.value + half


@dataclass(frozen=True)
class MixedFit:
    """A fitted model.

    Attributes:
        effects: `[effects]` fixed effects, in log-odds.
        deviations: Name of the factor -> standard deviation, in log-odds.
        log_likelihood: Of the Laplace approximation.
        converged: Whether the optimum was found: the gradient vanishes, and the Hessian is positive.
        at_bound: Factors whose standard deviation is 0, and which have no part in covariances.
        unbounded: Fixed effects without an estimate: all answers of their kind are right, or all wrong.
    """

    effects: Floats
    deviations: dict[str, float]
    log_likelihood: float
    converged: bool
    at_bound: tuple[str, ...]
    unbounded: tuple[int, ...]
    _covariance: Floats = field(repr=False)
    _slopes: Floats = field(repr=False)

    def test(self, weights: Floats) -> WaldTest:
        """Return the test of a weighted sum of fixed effects, `[effects]`.

        Its variance depends on the standard deviations: how uncertain those are gives the degrees of freedom.
        """
        count = len(self.effects)
        variance = float(weights @ self._covariance[:count, :count] @ weights)
        slope = np.einsum("kij,i,j->k", self._slopes, weights, weights)
        doubt = float(slope @ self._covariance[count:, count:] @ slope)
        df = max(2 * variance**2 / doubt, 1.0) if doubt > 0 else np.inf
        value, error = float(weights @ self.effects), float(np.sqrt(variance))
        return WaldTest(value, error, df, float(2 * stats.t.sf(abs(value) / error, df)))


def fit_mixed_logistic(data: MixedData) -> MixedFit:
    """Fit the model; see the module.

    A standard deviation of 0 or an unbounded fixed effect is reported, not hidden: look at `converged`,
    `at_bound` and `unbounded` before anything is concluded.
    """
    likelihood = _Laplace(data)
    count = data.fixed.shape[1]
    start = np.concatenate([_without_factors(data), np.full(len(data.sizes), _START)])
    bounds = [(-_MOST_EFFECT, _MOST_EFFECT)] * count + [(0.0, _MOST_SD)] * len(data.sizes)
    found = optimize.minimize(
        likelihood.value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds,
        options={"ftol": 1e-12, "gtol": 1e-5, "maxiter": 500},
    )  # fmt: skip
    effects, deviations = found.x[:count], found.x[count:]
    is_free = np.concatenate([np.abs(effects) < _FAR, deviations > _ZERO_SD])
    covariance, is_minimum = _covariance(likelihood, found.x, is_free)
    gradient = np.abs(likelihood.value_and_gradient(found.x)[1][is_free]).max(initial=0.0)
    return MixedFit(
        effects=effects,
        deviations=dict(zip(data.factors, deviations.tolist(), strict=True)),
        log_likelihood=-float(found.fun),
        converged=bool(is_minimum and gradient < 0.01 * max(1.0, np.sqrt(data.weight.sum()) / 10)),
        at_bound=tuple(name for name, free in zip(data.factors, is_free[count:], strict=True) if not free),
        unbounded=tuple(np.flatnonzero(~is_free[:count]).tolist()),
        _covariance=covariance,
        _slopes=_variance_slopes(likelihood, found.x, is_free),
    )


def _without_factors(data: MixedData) -> Floats:
    """Return the fixed effects of a logistic regression, slightly shrunk so that they always exist."""
    effects = np.zeros(data.fixed.shape[1])
    for _ in range(25):
        mean = special.expit(data.fixed @ effects)
        spread = data.weight * mean * (1 - mean)
        slope = data.fixed.T @ (data.weight * (data.right - mean)) - 0.01 * effects
        effects += linalg.solve((data.fixed.T * spread) @ data.fixed + 0.01 * np.eye(len(effects)), slope)
    return effects


class _Laplace:
    """Minus the logarithm of the marginal likelihood, by Laplace's approximation.

    Random effects are standardised, b = sd * u, so that a standard deviation of 0 is nothing special. The
    modes u of the last call are where the next search for them begins.
    """

    def __init__(self, data: MixedData) -> None:
        self.data = data
        self.levels = sum(data.sizes)
        self.modes = np.zeros(self.levels)

    def value_and_gradient(self, parameters: Floats) -> tuple[float, Floats]:
        """Return the value and its gradient over fixed effects and standard deviations."""
        data, count = self.data, self.data.fixed.shape[1]
        fixed, deviations = data.fixed @ parameters[:count], parameters[count:]
        log_odds = self._find_modes(fixed, deviations)
        mean = special.expit(log_odds)
        spread = data.weight * mean * (1 - mean)
        factor = linalg.cho_factor(self._curvature(spread, deviations), lower=True)
        inverse = linalg.cho_solve(factor, np.eye(self.levels))
        fit = data.weight * (special.xlogy(data.right, mean) + special.xlogy(1 - data.right, 1 - mean))
        value = -fit.sum() + self.modes @ self.modes / 2 + np.log(np.diag(factor[0])).sum()
        residual = data.weight * (mean - data.right)
        levers = self._levers(inverse, deviations)
        # Half the change of the log-determinant with the log-odds of each row, by the third derivative.
        pull = spread * (1 - 2 * mean) * (deviations @ levers) / 2
        # The modes move with the parameters, and the log-odds with them.
        solved = inverse @ self._to_levels(pull, deviations)
        moved = residual + pull - spread * self._to_rows(solved, deviations)
        slopes = moved * self._of_levels(self.modes) - residual * self._of_levels(solved) + spread * levers
        return float(value), np.concatenate([data.fixed.T @ moved, slopes.sum(axis=1)])

    def _find_modes(self, fixed: Floats, deviations: Floats) -> Floats:
        """Set the modes by Newton's method with halved steps, and return the log-odds of the rows."""
        data = self.data
        log_odds = fixed + self._to_rows(self.modes, deviations)
        loss = self._loss(log_odds, self.modes)
        for _ in range(100):
            mean = special.expit(log_odds)
            slope = self._to_levels(data.weight * (mean - data.right), deviations) + self.modes
            spread = data.weight * mean * (1 - mean)
            step = linalg.solve(self._curvature(spread, deviations), slope, assume_a="pos")
            for _ in range(30):
                modes = self.modes - step
                log_odds = fixed + self._to_rows(modes, deviations)
                better = self._loss(log_odds, modes)
                if better <= loss + 1e-12 * abs(loss):
                    break
                step = step / 2
            self.modes, loss = modes, better
            if np.abs(step).max() < 1e-9:
                break
        return log_odds

    def _loss(self, log_odds: Floats, modes: Floats) -> float:
        data = self.data
        fit = data.weight * (data.right * log_odds - np.logaddexp(0, log_odds))
        return float(modes @ modes / 2 - fit.sum())

    def _to_rows(self, values: Floats, deviations: Floats) -> Floats:
        """Return the sum over factors of sd times the value of each row's level, `[rows]`."""
        return np.asarray(deviations @ self._of_levels(values))

    def _of_levels(self, values: Floats) -> Floats:
        """Return the value of each row's level of each factor, `[factors, rows]`."""
        return np.asarray(np.append(values, 0.0)[self.data.columns])

    def _to_levels(self, values: Floats, deviations: Floats) -> Floats:
        """Return the sum over the rows of each level, times its sd, `[levels]`."""
        parts = [
            own * np.bincount(column, values, self.levels + 1)
            for own, column in zip(deviations, self.data.columns, strict=True)
        ]
        return np.asarray(np.sum(parts, axis=0)[:-1])

    def _curvature(self, spread: Floats, deviations: Floats) -> Floats:
        """Return the Hessian over the standardised random effects, `[levels, levels]`."""
        size = self.levels + 1
        total = np.zeros(size * size)
        for one, first in zip(deviations, self.data.columns, strict=True):
            for two, second in zip(deviations, self.data.columns, strict=True):
                if one * two:
                    total += one * two * np.bincount(first * size + second, spread, size * size)
        return np.asarray(total.reshape(size, size)[:-1, :-1] + np.eye(self.levels))

    def _levers(self, inverse: Floats, deviations: Floats) -> Floats:
        """Return the covariance of each factor's effect with the log-odds of the row, `[factors, rows]`."""
        padded, columns = np.pad(inverse, (0, 1)), self.data.columns
        found = np.zeros(columns.shape)
        for own, first in zip(found, columns, strict=True):
            for other, second in zip(deviations, columns, strict=True):
                own += other * padded[first, second]
        return found

    def conditional_covariance(self, parameters: Floats) -> Floats:
        """Return the covariance of the fixed effects for known standard deviations, `[effects, effects]`."""
        data, count = self.data, self.data.fixed.shape[1]
        deviations = parameters[count:]
        mean = special.expit(self._find_modes(data.fixed @ parameters[:count], deviations))
        spread = data.weight * mean * (1 - mean)
        weighted = np.stack([self._to_levels(spread * own, deviations) for own in data.fixed.T], axis=1)
        inner = linalg.solve(self._curvature(spread, deviations), weighted, assume_a="pos")
        return np.asarray(linalg.pinvh((data.fixed.T * spread) @ data.fixed - weighted.T @ inner))


def _covariance(likelihood: _Laplace, optimum: Floats, is_free: NDArray[np.bool_]) -> tuple[Floats, bool]:
    """Return the inverse Hessian, 0 for what is at a bound, and whether it is positive definite."""
    free = np.flatnonzero(is_free)
    hessian = np.zeros((len(free), len(free)))
    for row, index in enumerate(free):
        ends = [likelihood.value_and_gradient(point)[1][free] for point in _around(optimum, int(index))]
        hessian[row] = (ends[1] - ends[0]) / (2 * _STEP)
    hessian = (hessian + hessian.T) / 2
    covariance = np.zeros((len(optimum), len(optimum)))
    is_minimum = bool(len(free) and np.linalg.eigvalsh(hessian).min() > 0)
    if is_minimum:
        covariance[np.ix_(free, free)] = np.linalg.inv(hessian)
    return covariance, is_minimum


def _variance_slopes(likelihood: _Laplace, optimum: Floats, is_free: NDArray[np.bool_]) -> Floats:
    """Return how the covariance of the fixed effects changes with each standard deviation."""
    count = likelihood.data.fixed.shape[1]
    slopes = np.zeros((len(likelihood.data.sizes), count, count))
    for index in range(len(slopes)):
        if is_free[count + index]:
            low, high = map(likelihood.conditional_covariance, _around(optimum, count + index))
            slopes[index] = (high - low) / (2 * _STEP)
    return slopes


def _around(point: Floats, index: int) -> Sequence[Floats]:
    step = np.zeros(len(point))
    step[index] = _STEP
    return point - step, point + step


def marginal_probability(log_odds: Floats | float, deviation: float) -> Floats:
    """Return the mean probability of normal log-odds: what is seen over all listeners and items."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    means = special.expit(np.asarray(log_odds)[..., None] + deviation * nodes)
    return np.asarray(means @ weights / weights.sum())


def log_odds_of(probability: float, deviation: float) -> float:
    """Return the mean of normal log-odds with a mean probability: the inverse of `marginal_probability`."""
    if not 0 < probability < 1:
        raise UsageError(f"probability {probability}: it must be between 0 and 1.")
    return float(
        optimize.brentq(lambda own: float(marginal_probability(own, deviation)) - probability, -50, 50)
    )
