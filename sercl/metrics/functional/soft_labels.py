"""Votes of listeners as soft labels, and how close probabilities or confusions are to them."""

from dataclasses import dataclass
from itertools import permutations
from math import factorial

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from sercl.errors import UsageError

Floats = NDArray[np.float64]
Numbers = NDArray[np.float64] | NDArray[np.int64]

EXACT_CLASSES = 7
"""Up to this many classes all exchanges are tried."""
RANDOM_EXCHANGES = 4999


def jensen_shannon(first: Numbers, second: Numbers) -> Floats:
    """Return the Jensen-Shannon divergence of distributions, `[..., n]` -> `[...]`: 0 equal, 1 disjoint.

    Rows are normalised; a row without a positive value gives NaN.
    """
    one, two = _distribution(first), _distribution(second)
    middle = (one + two) / 2
    return np.asarray((special.rel_entr(one, middle) + special.rel_entr(two, middle)).sum(-1) / 2 / np.log(2))


def cross_entropy(votes: Numbers, probabilities: Floats) -> Floats:
    """Return the cross-entropy of probabilities against the shares of votes, `[items]`, in nats.

    Args:
        votes: `[items, classes]` votes; an item without votes gives NaN.
        probabilities: `[items, classes]`; they are floored at 1e-6.
    """
    logs = np.log(np.maximum(_distribution(probabilities), 1e-6))
    return np.asarray(-(_distribution(votes) * logs).sum(axis=-1))


def difficulty_correlation(first: Floats, second: Floats, groups: NDArray[np.int64] | None = None) -> float:
    """Return Spearman's correlation of how hard items are for two observers; NaN if one knows no difference.

    Args:
        first: `[items]` difficulty, such as the share of wrong answers.
        second: `[items]` difficulty for the other.
        groups: `[items]` such as the emotion: ranks are compared within groups, so that an emotion that both
            find hard does not count.
    """
    within = np.zeros(len(first), dtype=np.int64) if groups is None else groups
    ranks = [_centred_ranks(values, within) for values in (first, second)]
    norms = np.sqrt([(own**2).sum() for own in ranks])
    return float((ranks[0] * ranks[1]).sum() / norms.prod()) if norms.all() else float("nan")


def _centred_ranks(values: Floats, groups: NDArray[np.int64]) -> Floats:
    ranks = np.zeros(len(values))
    for group in np.unique(groups):
        own = groups == group
        found = stats.rankdata(values[own])
        ranks[own] = (found - found.mean()) / len(found)
    return ranks


def confusion_similarity(first: Floats, second: Floats, only_errors: bool = False) -> float:
    """Return how alike two confusion matrices are: 1 - Jensen-Shannon divergence, the mean over rows.

    Args:
        first: `[classes, columns]` counts, rows the truth.
        second: The same of another observer.
        only_errors: Whether to compare what is answered in case of an error.

    Returns:
        0 to 1; NaN if no row has answers of both.
    """
    one, two = (_off_diagonal(matrix) if only_errors else matrix for matrix in (first, second))
    rows = jensen_shannon(one, two)
    return float(1 - np.nanmean(rows)) if not np.isnan(rows).all() else float("nan")


@dataclass(frozen=True)
class ExchangeTest:
    """A test of whether the similarity of two confusion matrices could be chance.

    Attributes:
        p: Share of the exchanges of classes with at least this similarity, the actual one included.
        smallest: The smallest possible p with this number of classes.
    """

    p: float
    smallest: float


def exchange_test(first: Floats, second: Floats, seed: int = 0) -> ExchangeTest:
    """Test whether the errors of two observers are alike, by renaming the classes of one (Mantel 1967).

    Rows and columns are exchanged together, so that right answers stay right: only the pattern of errors is
    tested.

    Args:
        first: `[classes, classes]` counts, rows the truth.
        second: The same of the other observer.
        seed: Makes the random exchanges repeatable; up to 7 classes all are tried.

    Raises:
        UsageError: For a matrix that is not square.
    """
    if first.shape != second.shape or first.shape[0] != first.shape[1]:
        raise UsageError(
            f"exchange test: shapes {first.shape} and {second.shape}; two equal squares are needed."
        )
    classes = len(first)
    found = confusion_similarity(first, second, only_errors=True)
    if np.isnan(found):
        return ExchangeTest(float("nan"), float("nan"))
    is_exact = classes <= EXACT_CLASSES
    rng = np.random.default_rng(seed)
    orders = (
        np.array(list(permutations(range(classes))))
        if is_exact
        else np.array([range(classes), *(rng.permutation(classes) for _ in range(RANDOM_EXCHANGES))])
    )
    others = [confusion_similarity(first, second[np.ix_(order, order)], True) for order in orders]
    smallest = 1 / factorial(classes) if is_exact else 1 / (RANDOM_EXCHANGES + 1)
    return ExchangeTest(float(np.mean(np.asarray(others) >= found - 1e-12)), smallest)


def noise_ceiling(confusions: Floats) -> tuple[float, float]:
    """Return how alike a listener is to the others, and to all: what a perfect model of them could reach.

    Args:
        confusions: `[listeners, classes, columns]` counts.

    Returns:
        The mean similarity of each listener to the sum of the others (lower), and to the sum of all (upper).
    """
    whole = confusions.sum(axis=0)
    others = [confusion_similarity(own, whole - own) for own in confusions]
    every = [confusion_similarity(own, whole) for own in confusions]
    return (float(np.nanmean(others)), float(np.nanmean(every))) if len(confusions) > 1 else (np.nan, np.nan)


def _off_diagonal(matrix: Floats) -> Floats:
    errors = np.array(matrix, dtype=np.float64)
    np.fill_diagonal(errors, 0.0)
    return errors


def _distribution(counts: Numbers) -> Floats:
    each = np.asarray(counts, dtype=np.float64)
    sums = each.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(sums > 0, each / sums, np.nan))
