import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from sercl.studies.heads.adaptation import RIDGE, align_corpora, coral_transform, normalize_corpora

DIM = 5
CORPORA = (*"A" * 40, *"B" * 30)
REFERENCE = (*range(30), *range(40, 62))


def mixed(rows: int, seed: int, dim: int = DIM) -> np.ndarray:
    """Correlated values whose covariance can be inverted with many digits."""
    generator = np.random.default_rng(seed)
    directions = np.linalg.qr(generator.normal(size=(dim, dim)))[0]
    spread = generator.uniform(0.5, 2, size=(dim, 1))
    return generator.normal(size=(rows, dim)) @ (spread * directions) + generator.normal(size=dim)


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(12, 60), st.integers(12, 60))
def test_the_source_gets_the_covariance_of_the_target(seed: int, ours: int, theirs: int) -> None:
    source, target = mixed(ours, seed), mixed(theirs, seed + 100)
    transform = coral_transform(torch.from_numpy(source), torch.from_numpy(target), ridge=1e-9).numpy()
    found, wanted = np.cov(source @ transform, rowvar=False), np.cov(target, rowvar=False)
    np.testing.assert_allclose(found, wanted, atol=1e-4 * abs(wanted).max())


@settings(deadline=None)
@given(st.integers(0, 30), st.floats(1e-3, 10))
def test_against_matrix_powers_of_scipy(seed: int, ridge: float) -> None:
    source, target = mixed(30, seed), mixed(25, seed + 100)
    ours, theirs = (np.cov(x, rowvar=False) + ridge * np.eye(DIM) for x in (source, target))
    expected = linalg.inv(linalg.sqrtm(ours)) @ linalg.sqrtm(theirs)
    found = coral_transform(torch.from_numpy(source), torch.from_numpy(target), ridge)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_equal_covariances_change_nothing() -> None:
    source = torch.from_numpy(mixed(30, 0))
    torch.testing.assert_close(
        coral_transform(source, source + 3), torch.eye(DIM, dtype=torch.float64), atol=1e-9, rtol=0
    )


def test_fewer_rows_than_features_stay_finite() -> None:
    source, target = torch.from_numpy(mixed(6, 0, 20)), torch.from_numpy(mixed(5, 1, 20))
    assert torch.isfinite(coral_transform(source, target)).all()


@pytest.mark.parametrize("ridge", [RIDGE, 1e-3])
def test_sources_are_recoloured_and_the_target_is_only_standardised(ridge: float) -> None:
    values = np.concatenate([mixed(40, 0), mixed(30, 1)]).astype(np.float32)
    features = torch.from_numpy(values)
    normal = normalize_corpora(features, CORPORA, REFERENCE)
    made = align_corpora(features, CORPORA, REFERENCE, "B", ridge)
    torch.testing.assert_close(made[40:], normal[40:], rtol=0, atol=0)
    ours, theirs = (
        np.cov(normal[rows].double().numpy(), rowvar=False) + ridge * np.eye(DIM)
        for rows in (slice(0, 30), slice(40, 62))
    )
    transform = linalg.fractional_matrix_power(ours, -0.5) @ linalg.fractional_matrix_power(theirs, 0.5)
    np.testing.assert_allclose(made[:40], normal[:40].numpy() @ transform, atol=1e-4)
    np.testing.assert_allclose(made[:30].mean(0), 0, atol=1e-5)


def test_two_sources_are_one() -> None:
    corpora = (*"A" * 20, *"C" * 20, *"B" * 30)
    features = torch.from_numpy(np.concatenate([mixed(40, 0), mixed(30, 1)]).astype(np.float32))
    made = align_corpora(features, corpora, REFERENCE, "B", 1e-6)
    normal = normalize_corpora(features, corpora, REFERENCE)
    found = np.cov(made[:30].numpy(), rowvar=False)
    np.testing.assert_allclose(found, np.cov(normal[40:62].numpy(), rowvar=False), atol=1e-3)


def test_a_constant_feature_gives_no_nan() -> None:
    features = torch.from_numpy(np.concatenate([mixed(40, 0), mixed(30, 1)]).astype(np.float32))
    features[:40, 1] = 3.3
    features[40:, 2] = -1.7
    features[:, 3] = 0.0
    made = align_corpora(features, CORPORA, REFERENCE, "B")
    assert torch.isfinite(made).all()
    assert made[:, 3].abs().max() == 0
