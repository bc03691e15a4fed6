"""Agreement between listeners, from the number of times that each answer was given to each item."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_kappa

from sercl.errors import UsageError

Counts = NDArray[np.float64] | NDArray[np.int64]
"""`[items, answers]` how often each answer was given to each item."""

Floats = NDArray[np.float64]


def krippendorff_alpha(counts: Counts) -> float:
    """Return Krippendorff's alpha for nominal answers: 1 is perfect agreement, 0 that of chance.

    Items may have any number of answers; those with fewer than two do not count (Krippendorff 2011,
    "Computing Krippendorff's Alpha-Reliability").

    Returns:
        Alpha; NaN where no item has two answers, or all answers are equal.
    """
    return float(_alpha(*_disagreement(np.asarray(counts, dtype=np.float64))))


def fleiss_kappa(counts: Counts) -> float:
    """Return Fleiss' kappa, for items with equally many answers; NaN if all answers are equal.

    Raises:
        UsageError: If items have different numbers of answers, or one only.
    """
    sizes = np.asarray(counts).sum(axis=1)
    if len(set(sizes.tolist())) != 1 or sizes[0] < 2:
        raise UsageError(
            "Fleiss' kappa: items have different numbers of answers, or only one; use Krippendorff's alpha."
        )
    if np.count_nonzero(np.asarray(counts).sum(axis=0)) < 2:
        return float("nan")
    return float(statsmodels_kappa(np.asarray(counts), method="fleiss"))


def time_disagreement(counts: Counts, seconds: Floats) -> Floats:
    """Return what `time_alpha` needs of one recording; sums of several recordings can be added.

    Args:
        counts: `[stretches, answers]` how often each answer was given to each stretch of time.
        seconds: `[stretches]` their lengths.

    Returns:
        `[1 + answers]`: time that pairs of listeners label differently, then the time of each answer.
    """
    given = np.asarray(counts, dtype=np.float64)
    used = given.sum(axis=1) >= 2
    each = given[used] * seconds[used][:, None]
    sizes = given[used].sum(axis=1, keepdims=True)
    unequal = (each * (sizes - given[used]) / (sizes - 1)).sum()
    return np.concatenate([[unequal], each.sum(axis=0)])


def time_alpha(sums: Floats) -> float:
    """Return Krippendorff's alpha of labels over time, its limit for short frames.

    Args:
        sums: `[1 + answers]` sums of `time_disagreement` over recordings.

    Returns:
        Alpha; NaN where no stretch has two answers, or all answers are equal.
    """
    totals = sums[1:]
    whole = totals.sum()
    expected = whole - (totals**2).sum() / whole if whole else 0.0
    return float(1 - sums[0] / expected) if expected > 1e-12 else float("nan")


def pairwise_agreement(counts: Counts) -> float:
    """Return the share of pairs of answers to the same item that are equal; NaN without pairs."""
    each = np.asarray(counts, dtype=np.float64)
    equal, pairs = (each * (each - 1)).sum(), _pairs(each).sum()
    return float(equal / pairs) if pairs else float("nan")


def jackknife_error(values: Floats) -> float:
    """Return the standard error of a statistic from its values without each unit in turn.

    Args:
        values: `[units]` the statistic with one unit left out; NaN if it is then undefined.
    """
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return float("nan")
    return float(np.sqrt((len(known) - 1) * known.var()))


def agreement_error(
    counts: Counts,
    of_listeners: NDArray[np.int64],
    statistic: Callable[[Counts], float],
    units: NDArray[np.int64] | None = None,
) -> float:
    """Return the standard error of a statistic of `counts`, over items and listeners.

    Drawing a listener twice would count agreement with oneself: listeners and items are left out in turn
    instead (jackknife), and their variances added, which is slightly too wide.

    Args:
        counts: `[items, answers]`.
        of_listeners: `[listeners, items]` the answer of each listener, -1 where there is none; without
            listeners the error is over items only.
        statistic: The statistic, such as `krippendorff_alpha`.
        units: `[items]` what is left out at once, such as the speaker; each item by itself if None.
    """
    items = _without_each(counts, statistic, np.arange(len(counts)) if units is None else units)
    listeners = np.array([statistic(_without(counts, answers)) for answers in of_listeners])
    errors = [jackknife_error(items), *([jackknife_error(listeners)] if len(listeners) > 1 else [])]
    return float(np.sqrt(np.sum(np.square(errors))))


def _without_each(counts: Counts, statistic: Callable[[Counts], float], units: NDArray[np.int64]) -> Floats:
    """Return the statistic without each unit in turn, `[units]`."""
    if len(np.unique(units)) < len(units):
        return np.array([statistic(counts[units != unit]) for unit in np.unique(units)])
    # Leaving out either of two equal items gives the same.
    _, first, kind = np.unique(counts, axis=0, return_index=True, return_inverse=True)
    return np.array([statistic(np.delete(counts, index, axis=0)) for index in first])[kind.reshape(-1)]


def _without(counts: Counts, answers: NDArray[np.int64]) -> Counts:
    fewer = counts.copy()
    given = np.flatnonzero(answers >= 0)
    fewer[given, answers[given]] -= 1
    return fewer


def _disagreement(counts: Floats) -> tuple[float, Floats]:
    """Return the observed disagreement, and the pairable number of each answer."""
    used = counts[counts.sum(axis=1) >= 2]
    sizes = used.sum(axis=1, keepdims=True)
    unequal = used * (sizes - used) / (sizes - 1)
    return float(unequal.sum()), used.sum(axis=0)


def _alpha(observed: float, totals: Floats) -> float:
    whole = totals.sum()
    expected = whole**2 - (totals**2).sum()
    return float(1 - (whole - 1) * observed / expected) if expected else float("nan")


def _pairs(counts: Floats) -> Floats:
    sizes = counts.sum(axis=1)
    return np.asarray(sizes * (sizes - 1))
