"""Losses over many batches that depend neither on how clips are batched nor on which process has them."""

import torch
from torch import Tensor

from sercl.batch import NO_LABEL


def mean_weight(labels: Tensor, weights: Tensor | None) -> Tensor:
    """Return what torch's mean cross-entropy over some labels has divided their sum by, `[]`.

    Means of batches that are averaged with these weights are the mean over all of them.

    Args:
        labels: Class indices of any shape; `NO_LABEL` counts nothing.
        weights: `[classes]` class weights; None where every label weighs the same.
    """
    counted = labels[labels != NO_LABEL]
    if weights is None:
        return torch.tensor(float(counted.numel()), device=labels.device)
    return weights[counted].sum()
