"""Intervals of means that hold however often one looks at them.

A 95 % interval that is looked at after each listener misses the truth at some time in far more than 5 % of
studies. These hold at all times at once: the likelihood of the data with a mean that differs, by a normal
prior over the standardised difference, against that without one, is an e-process, whatever the standard
deviation (Gönen et al. 2005, "The Bayesian two-sample t test"; Wang and Ramdas 2024, "Anytime-valid t-tests
and confidence sequences for Gaussian means with unknown variance"): the probability that it ever exceeds
1/alpha is at most alpha. The interval is of the means that it does not exceed 1/alpha for. Values are taken
as normal, which the scores of listeners on many items nearly are; `benchmarks/listening.py` simulates them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sercl.errors import UsageError

Floats = NDArray[np.float64]

_SHARPEST = 8.0
"""Prior variance times units at which intervals of level 0.95 are narrowest (Howard et al. 2021)."""


@dataclass(frozen=True)
class Sequential:
    """A mean, or a difference of two, at some time of a study.

    Attributes:
        value: The mean.
        error: Its standard error.
        units: Effective number of units; n for one mean, n m / (n + m) for two.
        df: Degrees of freedom of the standard error.
    """

    value: float
    error: float
    units: float
    df: int

    def half_width(self, alpha: float, expected: float) -> float:
        """Return half the width of the interval that holds at all times; infinite for too few units.

        Args:
            alpha: Probability of ever missing the truth.
            expected: Effective number of units for which it is narrowest; set before the data are seen.

        Raises:
            UsageError: For an alpha outside of 0 to 1, or an expected number that is not positive.
        """
        if not (0 < alpha < 1 and expected > 0):
            raise UsageError(f"anytime: alpha {alpha}, expected {expected}; valid: 0 < alpha < 1, above 0.")
        growth = 1 + self.units * _SHARPEST / expected
        if self.df < 1 or not self.error > 0:
            return float("inf")
        ratio = (np.sqrt(growth) / alpha) ** (2 / (self.df + 1))
        if ratio >= growth:
            return float("inf")
        return float(self.error * np.sqrt(self.df * (ratio - 1) / (1 - ratio / growth)))


def sequential_mean(values: Floats, least: float = 0.0) -> Sequential:
    """Return the mean of `[units]` values at this time of the study.

    Args:
        values: So far.
        least: Their standard deviation is at least this: a few equal values do not show that all are equal.
    """
    count = len(values)
    if not count:
        return Sequential(float("nan"), float("nan"), 0.0, 0)
    error = float(max(values.std(ddof=1), least) / np.sqrt(count)) if count > 1 else float("nan")
    return Sequential(float(values.mean()), error, float(count), count - 1)


def sequential_difference(first: Floats, second: Floats) -> Sequential:
    """Return the difference of two means of `[units]` values, with their common standard deviation."""
    counts = len(first), len(second)
    if not all(counts):
        return Sequential(float("nan"), float("nan"), 0.0, 0)
    units, df = counts[0] * counts[1] / sum(counts), sum(counts) - 2
    squares = sum(float(np.square(own - own.mean()).sum()) for own in (first, second))
    error = float(np.sqrt(squares / df / units)) if df else float("nan")
    return Sequential(float(first.mean() - second.mean()), error, units, df)
