"""Standard errors of what listeners answered about items, over listeners and items at once.

Answers of one listener are correlated, and so are answers to one item: an interval over answers, or over one
of the two, is too narrow. Listeners are resampled, items are resampled, and answers are resampled, and

    variance = variance over listeners + variance over items - variance over answers,

since the first two both contain that of single answers (Cameron, Gelbach and Miller 2011, "Robust inference
with multiway clustering"). Drawing listeners and items together (the pigeonhole bootstrap of Owen 2007)
contains it three times: its intervals are too wide where answers vary a lot, as choices between emotions do.
The variance is at least that of answers alone. Intervals use t with the degrees of freedom of the two
variances (Satterthwaite 1946), on the log-odds scale for scores from 0 to 1, and the difference from 0 is
tested with the same t: test and interval agree. In simulations (tests, `benchmarks/listening.py`) 95 %
intervals cover 93 to 97 %.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import special, stats
from torch import Tensor

from sercl.errors import UsageError
from sercl.metrics.functional.intervals import LEVEL

RESAMPLES = 1000

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

SumStatistic = Callable[[Tensor], Tensor]
"""`[..., columns]` sums over answers -> `[..., scores]`."""


@dataclass(frozen=True)
class Crossed:
    """Who answered what.

    Attributes:
        listener: `[answers]` index of the listener.
        item: `[answers]` index of the item.
        listener_strata: `[listeners]` a group of each; listeners are drawn within groups.
        item_strata: `[items]` a group of each, such as its emotion.
    """

    listener: Indices
    item: Indices
    listener_strata: Indices
    item_strata: Indices

    def __post_init__(self) -> None:
        if not len(self.listener) == len(self.item) or not len(self.listener):
            raise UsageError(
                f"crossed: {len(self.listener)} listeners and {len(self.item)} items of answers; one of each "
                "is needed per answer, and at least one answer."
            )


@dataclass(frozen=True)
class Estimate:
    """A score with its standard error.

    Attributes:
        value: The score, NaN if undefined.
        error: Standard error over listeners and items; NaN if neither can be resampled.
        df: Degrees of freedom.
        listeners: Number of listeners with the score.
        items: Number of items with the score.
    """

    value: float
    error: float
    df: float
    listeners: int
    items: int

    def interval(self, bounded: bool = True, level: float = LEVEL) -> tuple[float, float]:
        """Return the ends of the interval; NaN if there is none.

        Args:
            bounded: Whether the score lies between 0 and 1.
            level: Coverage.
        """
        if np.isnan(self.value) or np.isnan(self.error):
            return float("nan"), float("nan")
        if bounded and self.value in (0.0, 1.0):
            return self._exact(level)
        half = float(stats.t.ppf((1 + level) / 2, self.df)) * self.error
        if not bounded:
            return self.value - half, self.value + half
        centre, width = special.logit(self.value), half / (self.value * (1 - self.value))
        low, high = special.expit([centre - width, centre + width])
        return float(low), float(high)

    def _exact(self, level: float) -> tuple[float, float]:
        # Without an error the correlation is unknown: as if all answers of a unit failed together.
        units = min(self.listeners, self.items) if min(self.listeners, self.items) > 1 else self.items
        exact = stats.binomtest(round(self.value) * units, units).proportion_ci(level, method="exact")
        return float(exact.low), float(exact.high)

    @property
    def p(self) -> float:
        """Two-sided p-value of the test that the score is 0; NaN without a standard error."""
        if not self.error > 0:
            return 1.0 if self.value == 0 else float("nan")
        return float(2 * stats.t.sf(abs(self.value) / self.error, self.df))

    def p_equivalent(self, margin: float) -> float:
        """Return the p-value of two one-sided tests: small if the score is surely within +- `margin` of 0.

        Schuirmann 1987. The margin must be set before the data are seen.

        Raises:
            UsageError: For a margin that is not positive.
        """
        if not margin > 0:
            raise UsageError(f"equivalence: margin {margin}; it must be above 0.")
        if not self.error > 0:
            return float("nan")
        return float(stats.t.sf((margin - abs(self.value)) / self.error, self.df))


@dataclass(frozen=True)
class _Factor:
    """What is resampled: sums of each unit, and how they are grouped."""

    sums: Floats
    strata: Indices
    groups: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", len(np.unique(self.strata)))

    @property
    def free(self) -> int:
        return len(self.sums) - self.groups

    def variance(self, statistic: SumStatistic, resamples: int, rng: np.random.Generator) -> Floats:
        """Return the bootstrap variance of each score, `[scores]`; 0 if nothing can be resampled."""
        drawn = statistic(torch.from_numpy(self._drawn(resamples, rng))).numpy()
        if not self.free:
            return np.zeros(drawn.shape[-1])
        known = np.where(np.isnan(drawn).all(axis=0), 0.0, drawn)
        return np.asarray(np.nanvar(known, axis=0) * len(self.sums) / self.free)

    def _drawn(self, resamples: int, rng: np.random.Generator) -> Floats:
        total = np.zeros((resamples, self.sums.shape[1]))
        for stratum in np.unique(self.strata):
            # Equal units are interchangeable: drawing counts of distinct ones is equivalent.
            own = self.sums[self.strata == stratum]
            kinds, sizes = np.unique(own, axis=0, return_counts=True)
            total += rng.multinomial(len(own), sizes / len(own), size=resamples).astype(np.float64) @ kinds
        return total

    def having(self, statistic: SumStatistic) -> Indices:
        """Return how many units have each score by themselves, `[scores]`."""
        each = (~statistic(torch.from_numpy(self.sums)).isnan()).sum(dim=0).numpy()
        return np.where(each > 0, each, len(self.sums)).astype(np.int64)  # a difference needs several units


def crossed_estimates(
    design: Crossed,
    values: Floats,
    statistic: SumStatistic,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Estimate]:
    """Return scores of sums over answers, with standard errors over listeners and items; see the module.

    Args:
        design: Who answered what.
        values: `[answers, columns]` what each answer adds to the sums, such as one cell of a confusion
            matrix.
        statistic: The scores of the sums.
        resamples: Number of bootstrap samples of each kind.
        seed: Makes the result repeatable.

    Raises:
        UsageError: For fewer than 2 resamples, or another number of rows than of answers.
    """
    if resamples < 2 or len(values) != len(design.listener):
        raise UsageError(
            f"crossed: {resamples} resamples, {len(values)} rows of {len(design.listener)} answers; valid: "
            "from 2 resamples, a row per answer."
        )
    listeners, items, answers = _factors(design, np.asarray(values, dtype=np.float64))
    rng = np.random.default_rng(seed)
    of_listeners, of_items, of_answers = (
        factor.variance(statistic, resamples, rng) for factor in (listeners, items, answers)
    )
    error, df = standard_errors(of_listeners, of_items, of_answers, (listeners.free, items.free))
    whole = statistic(torch.from_numpy(answers.sums.sum(axis=0, keepdims=True)))[0].numpy()
    sizes = zip(listeners.having(statistic), items.having(statistic), strict=True)
    return [
        Estimate(float(value), float(own), float(free), int(people), int(clips))
        for value, own, free, (people, clips) in zip(whole, error, df, sizes, strict=True)
    ]


def _factors(design: Crossed, values: Floats) -> tuple[_Factor, _Factor, _Factor]:
    listeners = np.zeros((len(design.listener_strata), values.shape[1]))
    items = np.zeros((len(design.item_strata), values.shape[1]))
    np.add.at(listeners, design.listener, values)
    np.add.at(items, design.item, values)
    strata = design.listener_strata[design.listener], design.item_strata[design.item]
    _, pairs = np.unique(np.stack(strata, axis=1), axis=0, return_inverse=True)
    return (
        _Factor(listeners, design.listener_strata),
        _Factor(items, design.item_strata),
        _Factor(values, pairs.reshape(-1)),
    )


def standard_errors(
    of_listeners: Floats, of_items: Floats, of_answers: Floats, free: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Return standard errors and degrees of freedom of scores, both `[scores]`; see the module.

    Args:
        of_listeners: `[scores]` variance over listeners.
        of_items: `[scores]` variance over items.
        of_answers: `[scores]` variance over answers.
        free: Numbers of listeners and of items less those of their strata; 0 where nothing can be drawn.
    """
    both = of_listeners + of_items
    if all(free):
        both = np.maximum(both - of_answers, of_answers)
    error = np.sqrt(both) if any(free) else np.full(len(both), np.nan)
    terms = [own**2 / count for own, count in zip((of_listeners, of_items), free, strict=True) if count]
    below = np.sum(terms, axis=0) if terms else np.zeros(len(both))
    with np.errstate(invalid="ignore", divide="ignore"):
        return error, np.where(below > 0, both**2 / below, float(max(*free, 1)))


def crossed_median(
    values: Floats, listeners: Indices, item: Indices, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Return the median of distances, with a standard error over listeners and items; see the module.

    Args:
        values: `[n]`; an answer may have several.
        listeners: `[n]` index of the listener or, of distances between two, `[n, 2]`: both are drawn, and one
            who is drawn twice is not compared with himself.
        item: `[n]` index of the item.
        resamples: Number of bootstrap samples of each kind.
        seed: Makes the result repeatable.
    """
    if not len(values):
        return Estimate(float("nan"), float("nan"), 1.0, 0, 0)
    order = np.argsort(values, kind="stable")
    ranked, people = values[order], listeners.reshape(len(values), -1)[order]
    _, answer = np.unique(np.column_stack([people, item[order]]), axis=0, return_inverse=True)
    rng = np.random.default_rng(seed)
    found = []
    for own in (people, item[order][:, None], answer.reshape(-1, 1)):
        units, codes = np.unique(own, return_inverse=True)
        drawn = [
            _weighted_median(ranked, _times_drawn(rng, len(units))[codes.reshape(own.shape)].prod(axis=1))
            for _ in range(resamples)
        ]
        size = len(units)
        found.append((np.nanvar(drawn) * size / (size - 1) if size > 1 else 0.0, size))
    (of_people, voices), (of_items, clips), (of_answers, _) = found
    error, df = standard_errors(
        np.array([of_people]), np.array([of_items]), np.array([of_answers]), (voices - 1, clips - 1)
    )
    return Estimate(float(np.median(values)), float(error[0]), float(df[0]), voices, clips)


def _times_drawn(rng: np.random.Generator, size: int) -> Floats:
    return rng.multinomial(size, np.full(size, 1 / size)).astype(np.float64)


def _weighted_median(ranked: Floats, weights: Floats) -> float:
    """Return the median of values in ascending order, each as often as its weight; NaN if none is left."""
    counts = np.cumsum(weights)
    if not counts[-1] > 0:
        return float("nan")
    below, above = np.searchsorted(counts, [counts[-1] / 2, counts[-1] / 2 + 0.25])
    return float(ranked[below] + ranked[min(above, len(ranked) - 1)]) / 2
