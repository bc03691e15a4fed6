"""Error consistency against Cohen's kappa of scikit-learn, and by its definition."""

import numpy as np
import pytest
import torch
from sklearn.metrics import cohen_kappa_score

from sercl.metrics.functional.error_consistency import consistency_between, error_consistency


def test_it_is_cohens_kappa_of_being_right() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random(200) < 0.8, rng.random(200) < 0.6
    counts = torch.tensor([[np.sum((first == a) & (second == b)) for b in (0, 1)] for a in (0, 1)]).double()
    assert error_consistency(counts).item() == pytest.approx(cohen_kappa_score(first, second))


def test_limits() -> None:
    assert error_consistency(torch.tensor([[5.0, 0.0], [0.0, 5.0]])).item() == 1
    assert error_consistency(torch.tensor([[1.0, 1.0], [1.0, 1.0]])).item() == 0
    assert error_consistency(torch.tensor([[0.0, 0.0], [0.0, 9.0]])).isnan()


def test_between_listeners_is_the_mean_over_pairs() -> None:
    rng = np.random.default_rng(1)
    ease = rng.random(400)
    right = rng.random((2, 400)) < ease
    counts = np.stack([(~right).sum(axis=0), right.sum(axis=0)], axis=1)
    assert consistency_between(counts) == pytest.approx(cohen_kappa_score(*right), abs=0.01)
    assert np.isnan(consistency_between(np.array([[1, 0], [0, 1]])))
