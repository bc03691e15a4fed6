import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sercl.metrics.functional.calibration import expected_calibration_error


def reference(probabilities: np.ndarray, truth: np.ndarray, bins: int) -> float:
    """Guo et al. (2017), equation 3."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    index = np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1)
    gaps = [
        np.sum(index == k) / len(truth) * abs(right[index == k].mean() - confidence[index == k].mean())
        for k in range(bins)
        if np.any(index == k)
    ]
    return float(np.sum(gaps))


@given(st.integers(1, 200), st.integers(2, 7), st.integers(0, 2**32 - 1))
def test_it_agrees_with_its_definition(n: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), size=n)
    truth = rng.integers(0, classes, size=n)
    ours = expected_calibration_error(torch.from_numpy(probabilities), torch.from_numpy(truth))
    assert ours.item() == pytest.approx(reference(probabilities, truth, 15), abs=1e-6)


def test_a_calibrated_and_an_overconfident_classifier() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), size=20_000)
    drawn = (probabilities.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    assert expected_calibration_error(torch.from_numpy(probabilities), torch.from_numpy(drawn)) < 0.02
    certain = torch.eye(2)[torch.zeros(10, dtype=torch.long)]
    half_right = torch.arange(10) % 2
    assert expected_calibration_error(certain, half_right).item() == pytest.approx(0.5)
