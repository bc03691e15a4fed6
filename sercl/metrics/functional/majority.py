"""How good the majority, or the distribution, of a few listeners is; exact, without drawing them."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from sercl.errors import UsageError

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def majority_is_right(votes: Indices, truth: Indices, listeners: int) -> Floats:
    """Return the probability, `[items]`, that the majority of random listeners is right.

    Listeners are drawn without replacement from those that voted; a tie is decided at random.

    Args:
        votes: `[items, answers]` votes.
        truth: `[items]` the right answer.
        listeners: Number of listeners that are drawn, at least 1.

    Returns:
        `[items]`; NaN for an item with fewer votes.

    Raises:
        UsageError: For fewer than 1 listener.
    """
    if listeners < 1:
        raise UsageError(f"majority: {listeners} listeners; at least 1 is needed.")
    kinds, index = np.unique(_truth_first(votes, truth), axis=0, return_inverse=True)
    return np.asarray(_of_kinds(kinds, listeners)[index.reshape(-1)])


def _truth_first(votes: Indices, truth: Indices) -> Indices:
    rows = np.arange(len(votes))
    others = votes.copy()
    others[rows, truth] = -1
    others = -np.sort(-others, axis=1)[:, :-1]
    return np.concatenate([votes[rows, truth][:, None], others], axis=1)


def _of_kinds(kinds: Indices, listeners: int) -> Floats:
    """Count the draws in which the first answer has `own` votes and the others have at most that."""
    right = np.zeros(len(kinds))
    for own in range(1, listeners + 1):
        ways = np.zeros((len(kinds), listeners - own + 1, listeners // own + 1))
        ways[:, 0, 0] = special.comb(kinds[:, 0], own)
        for other in kinds[:, 1:].T:
            ways = _with_answer(ways, other, own)
        right += (ways[:, -1] / (1 + np.arange(ways.shape[2]))).sum(axis=1)
    sizes = kinds.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sizes >= listeners, right / special.comb(sizes, listeners), np.nan)


def _with_answer(ways: Floats, votes: Indices, most: int) -> Floats:
    """Add the draws of one more answer to `[kinds, votes drawn, answers that tie]`."""
    found = np.zeros_like(ways)
    for drawn in range(min(most, ways.shape[1] - 1) + 1):
        added = special.comb(votes, drawn)[:, None, None] * ways[:, : ways.shape[1] - drawn]
        if drawn == most:
            found[:, drawn:, 1:] += added[:, :, :-1]
        else:
            found[:, drawn:] += added
    return found


def listeners_needed(curve: Sequence[float], sizes: Sequence[int], score: float) -> float:
    """Return the number of listeners whose majority is as good as a score, interpolated.

    Args:
        curve: Score of the majority of each number of listeners.
        sizes: These numbers, increasing.
        score: The score to reach.

    Returns:
        The number; the smallest if one is already as good, infinity if no number is, NaN without a curve.
    """
    known = [(size, own) for size, own in zip(sizes, curve, strict=True) if own == own]
    if not known or score != score:
        return float("nan")
    if known[0][1] >= score:
        return float(known[0][0])
    for (size, own), (larger, better) in pairwise(known):
        if better >= score:
            return size + (larger - size) * (score - own) / (better - own)
    return float("inf")


def held_out_log_loss(votes: Indices, listeners: int, prior: float = 0.5) -> Floats:
    """Return how badly some listeners predict another one, `[items]`, in nats.

    The expected -log((n + prior) / (listeners + prior * answers)) of a listener's answer, where n of the
    other listeners that were drawn gave it: what a model's cross-entropy against the votes is compared with.

    Args:
        votes: `[items, answers]` votes.
        listeners: Number of listeners that predict.
        prior: Added to each answer; 0.5 is Jeffreys' prior.

    Returns:
        `[items]`; NaN for an item with too few votes.
    """
    sizes, answers = votes.sum(axis=1), votes.shape[1]
    losses = -np.log((np.arange(listeners + 1) + prior) / (listeners + prior * answers))
    enough = sizes > listeners
    loss = np.zeros(len(votes))
    for own in votes.T:
        given = enough & (own > 0)
        chance = stats.hypergeom.pmf(
            np.arange(listeners + 1)[None],
            np.where(given, sizes - 1, listeners)[:, None],
            np.where(given, own - 1, 0)[:, None],
            listeners,
        )
        loss += np.where(given, own / np.maximum(sizes, 1) * (chance @ losses), 0.0)
    return np.where(enough, loss, np.nan)
