"""Error consistency: do two observers fail on the same items, beyond what their accuracies make likely?

Geirhos, Meding and Wichmann 2020, "Beyond accuracy: quantifying trial-by-trial behaviour of CNNs and humans
by measuring error consistency".
"""

import numpy as np
import torch
from torch import Tensor

from sercl.metrics.functional.agreement import Counts, pairwise_agreement


def error_consistency(counts: Tensor) -> Tensor:
    """Return Cohen's kappa of being right, `[...]`: 1 equal errors, 0 independent ones, NaN without any.

    Args:
        counts: `[..., 2, 2]` answers: rows wrong and right for the first observer, columns for the second.
    """
    whole = counts.sum(dim=(-2, -1))
    first, second = counts[..., 1, :].sum(dim=-1) / whole, counts[..., :, 1].sum(dim=-1) / whole
    observed = counts.diagonal(dim1=-2, dim2=-1).sum(dim=-1) / whole
    expected = first * second + (1 - first) * (1 - second)
    return torch.where(expected < 1, (observed - expected) / (1 - expected), torch.nan)


def consistency_between(right: Counts) -> float:
    """Return the error consistency between listeners, over all pairs of answers to the same item.

    Args:
        right: `[items, 2]` number of wrong and right answers to each item.

    Returns:
        Kappa; NaN without pairs, or without errors.
    """
    shared = right[np.asarray(right).sum(axis=1) > 1]
    if not len(shared):
        return float("nan")
    accuracy = float(shared[:, 1].sum() / shared.sum())
    expected = accuracy**2 + (1 - accuracy) ** 2
    return (pairwise_agreement(shared) - expected) / (1 - expected) if expected < 1 else float("nan")
