import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sercl.studies.heads.adaptation import normalize_corpora

CORPORA = tuple("AAAAABBBBBBB")
SOURCE, TARGET = (0, 1, 2, 3), (5, 6, 7, 8, 9)
VALUES = st.floats(-1000, 1000, width=32).map(lambda value: round(value, 1))


@given(arrays.arrays(np.float32, (12, 3), elements=VALUES))
def test_each_corpus_has_mean_0_and_deviation_1_on_its_reference(values: np.ndarray) -> None:
    made = normalize_corpora(torch.from_numpy(values), CORPORA, (*SOURCE, *TARGET)).double().numpy()
    assert np.isfinite(made).all()
    for rows in (SOURCE, TARGET):
        known = values[list(rows)].astype(np.float64)
        constant = known.std(axis=0) <= 1e-6 * abs(known.mean(axis=0))
        np.testing.assert_allclose(made[list(rows)].mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(made[list(rows)].std(axis=0), np.where(constant, 0, 1), atol=1e-5)


def test_against_the_formula_in_double_precision() -> None:
    values = np.random.default_rng(0).normal(3, [[1, 5]], (12, 2)).astype(np.float32)
    made = normalize_corpora(torch.from_numpy(values), CORPORA, (*SOURCE, *TARGET, *TARGET[:2]))
    for name, rows in (("A", SOURCE), ("B", TARGET)):
        own = [row for row, corpus in enumerate(CORPORA) if corpus == name]
        known = values[list(rows)].astype(np.float64)
        expected = (values[own] - known.mean(axis=0)) / known.std(axis=0)
        np.testing.assert_allclose(made[own], expected, rtol=1e-5, atol=1e-6)


@given(st.floats(0.1, 20), st.floats(-50, 50))
def test_another_microphone_makes_no_difference(scale: float, shift: float) -> None:
    features = torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    moved = features.clone()
    moved[5:] = moved[5:] * scale + shift
    one, other = (normalize_corpora(x, CORPORA, (*SOURCE, *TARGET)) for x in (features, moved))
    torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


def test_a_corpus_without_reference_stays_as_it_is() -> None:
    features = torch.randn(12, 4)
    made = normalize_corpora(features, CORPORA, SOURCE)
    torch.testing.assert_close(made[5:], features[5:], rtol=0, atol=0)
