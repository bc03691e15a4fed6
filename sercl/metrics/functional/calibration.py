"""Calibration: whether a classifier is right as often as its probabilities say."""

from torch import Tensor

BINS = 15
"""Equal bins of confidence, as in Guo et al. (2017), "On Calibration of Modern Neural Networks"."""


def expected_calibration_error(probabilities: Tensor, truth: Tensor, bins: int = BINS) -> Tensor:
    """Return the mean distance between confidence and accuracy over bins of confidence, a scalar in 0..1.

    Confidence is the probability of the predicted class; bins are weighted by their number of utterances.

    Args:
        probabilities: `[n, classes]`, each row sums to 1.
        truth: `[n]` class indices.
        bins: Number of equal bins.
    """
    # Only here: torchmetrics imports transformers, which takes a second.
    from torchmetrics.functional.classification import multiclass_calibration_error

    error: Tensor = multiclass_calibration_error(
        probabilities, truth, num_classes=probabilities.shape[-1], n_bins=bins, norm="l1"
    )
    return error
