import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sercl.studies.heads.adaptation import Group, grouped_rows, normalize_groups


def noise(rows: int, dim: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed)) * 3 + 40


@given(st.integers(2, 40), st.integers(1, 9), st.integers(0, 5))
def test_a_group_is_standardised_by_its_reference(size: int, dim: int, seed: int) -> None:
    features = noise(size + 6, dim, seed)
    known = np.arange(size)
    made = normalize_groups(features, [Group(tuple(range(size + 3)), tuple(known.tolist()))])
    expected = stats.zmap(features[: size + 3].double().numpy(), features[known].double().numpy())
    np.testing.assert_allclose(made[: size + 3], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(made[known].double().mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(made[known].double().std(0, correction=0), 1, atol=1e-6)
    torch.testing.assert_close(made[size + 3 :], features[size + 3 :], rtol=0, atol=0)


def test_a_constant_feature_becomes_zero_and_no_noise() -> None:
    features = noise(8, 3, 0)
    features[:4, 1] = 0.1
    features[:4, 2] = torch.tensor([1.0, 1.0, 1.0, 1.0 + 1e-7])  # the last digit of float32
    made = normalize_groups(features, [Group(tuple(range(8)), (0, 1, 2, 3)), Group((), (5,))])
    assert torch.isfinite(made).all()
    assert made[:, 1:].abs().max() == 0
    assert made[:4, 0].std(correction=0) > 0.99


def test_the_features_stay_as_they_are() -> None:
    features = noise(4, 2, 0)
    before = features.clone()
    normalize_groups(features, [Group((0, 1), (0, 1))])
    torch.testing.assert_close(features, before, rtol=0, atol=0)


def test_rows_are_grouped_once_each_and_in_order() -> None:
    keys = [("a",), ("b",), ("a",), ("c",)]
    assert grouped_rows(keys, [2, 0, 1, 0]) == {("a",): (0, 2), ("b",): (1,)}
