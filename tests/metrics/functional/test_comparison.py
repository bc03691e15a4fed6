import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from sercl.errors import UsageError
from sercl.metrics.functional.classification import macro_f1, uar, wa
from sercl.metrics.functional.comparison import holm, mcnemar, permutation_test

CLASSES = 4


def systems(
    speakers: int, rng: np.random.Generator, gain: float = 0.0, per_class: int = 6
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two systems on the same utterances; a speaker is easy or hard for both, and favours one of them."""
    ability = 0.8 + 0.8 * rng.normal(size=(speakers, 1)) + 0.3 * rng.normal(size=(speakers, CLASSES))
    favour = 0.6 * rng.normal(size=(speakers, 1)) + gain
    return tuple(_drawn(ability + sign * favour / 2, per_class, rng) for sign in (1, -1))  # type: ignore[return-value]


def _drawn(ability: NDArray[np.float64], per_class: int, rng: np.random.Generator) -> NDArray[np.int64]:
    hits = rng.binomial(per_class, 1 / (1 + np.exp(-ability)))
    confusions = np.zeros((len(ability), CLASSES, CLASSES), dtype=np.int64)
    diagonal = np.arange(CLASSES)
    confusions[:, diagonal, diagonal] = hits
    confusions[:, diagonal, (diagonal + 1) % CLASSES] = per_class - hits
    return confusions


@pytest.mark.parametrize("speakers", [8, 30])
def test_p_values_are_uniform_where_there_is_no_difference(speakers: int) -> None:
    rng = np.random.default_rng(speakers)
    p = [permutation_test(*systems(speakers, rng), resamples=499).p for _ in range(300)]
    # Discrete for 8 speakers, so no test of uniformity but of what matters: rejections at usual levels.
    for level in (0.05, 0.2, 0.5):
        share = np.mean(np.array(p) <= level)
        assert abs(share - level) < 3 * np.sqrt(level * (1 - level) / 300) + 0.01


def test_utterances_as_units_would_reject_too_often() -> None:
    rng = np.random.default_rng(5)
    rejected = 0
    for _ in range(100):
        first, second = systems(10, rng, per_class=20)
        rejected += permutation_test(*map(_one_by_one, (first, second)), resamples=199).p <= 0.05
    assert rejected > 15  # why speakers are swapped, not utterances


def _one_by_one(confusions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Split clusters into utterances that are hit independently within their class."""
    rng = np.random.default_rng(int(confusions.sum() + confusions[0, 0, 0]))
    units = []
    for speaker, truth in itertools.product(range(len(confusions)), range(CLASSES)):
        row = confusions[speaker, truth]
        for column in rng.permutation(np.repeat(np.arange(CLASSES), row)):
            unit = np.zeros((CLASSES, CLASSES), dtype=np.int64)
            unit[truth, column] = 1
            units.append(unit)
    return np.stack(units)


def test_a_real_difference_is_found() -> None:
    rng = np.random.default_rng(1)
    p = [permutation_test(*systems(20, rng, gain=1.0), resamples=999).p for _ in range(50)]
    assert np.mean(np.array(p) < 0.05) > 0.9


def test_all_swaps_by_hand() -> None:
    rng = np.random.default_rng(2)
    first, second = systems(6, rng)
    result = permutation_test(first, second, macro_f1)

    def difference(swap: tuple[bool, ...]) -> float:
        chosen = np.array(swap)[:, None, None]
        one, two = np.where(chosen, second, first), np.where(chosen, first, second)
        return _f1(one.sum(axis=0)) - _f1(two.sum(axis=0))

    values = np.array([difference(swap) for swap in itertools.product([False, True], repeat=6)])
    assert result.difference == pytest.approx(values[0])
    assert result.p == pytest.approx(np.mean(np.abs(values) >= abs(values[0]) - 1e-12), abs=1e-9)
    assert (result.exact, result.count, result.unit) == (True, 6, "speakers")


def _f1(confusion: NDArray[np.int64]) -> float:
    hits = np.diag(confusion)
    return float(np.mean(2 * hits / (confusion.sum(axis=0) + confusion.sum(axis=1))))


def test_it_agrees_with_scipy_on_speakers_of_equal_size() -> None:
    rng = np.random.default_rng(3)
    first, second = systems(11, rng)
    scores = [np.trace(one, axis1=1, axis2=2) / one.sum(axis=(1, 2)) for one in (first, second)]
    reference = stats.permutation_test(
        scores, lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", vectorized=True
    )
    assert permutation_test(first, second, wa).p == pytest.approx(reference.pvalue)


def test_how_small_p_can_become_is_said() -> None:
    first, second = np.zeros((2, 5, CLASSES, CLASSES), dtype=np.int64)
    first[:, range(4), range(4)] = 9
    second[:, range(4), [1, 2, 3, 0]] = 9
    result = permutation_test(first, second)
    assert (result.difference, result.p, result.smallest) == (1.0, 2 / 2**5, 2 / 2**5)
    assert permutation_test(first[:1], second[:1]).smallest == 1.0
    many = [system.repeat(8, axis=0) for system in (first, second)]
    result = permutation_test(many[0], many[1], resamples=199)
    assert (result.exact, result.p, result.smallest) == (False, 2 / 200, 2 / 200)


def test_equal_systems_give_one() -> None:
    first, _ = systems(7, np.random.default_rng(4))
    result = permutation_test(first, first)
    assert (result.difference, result.p) == (0.0, 1.0)


def test_clusters_without_a_difference_change_nothing() -> None:
    first, second = systems(6, np.random.default_rng(6))
    same, _ = systems(3, np.random.default_rng(7))
    longer = permutation_test(np.concatenate([first, same]), np.concatenate([second, same]))
    assert longer.exact
    assert longer.count == 9
    one, two = (
        uar(torch.from_numpy(np.concatenate([system, same]).sum(axis=0))) for system in (first, second)
    )
    assert longer.difference == pytest.approx(float(one - two), abs=1e-6)


def test_repeats_are_averaged_and_do_not_count_as_more_data() -> None:
    first, second = systems(9, np.random.default_rng(8))
    once = permutation_test(first, second)
    thrice = permutation_test(first[:, None].repeat(3, axis=1), second)
    assert thrice == once


def test_a_score_that_does_not_exist_has_no_p_value() -> None:
    empty = np.zeros((6, CLASSES, CLASSES), dtype=np.int64)
    assert np.isnan(permutation_test(empty, empty).p)


def test_unpaired_systems_are_refused() -> None:
    first, second = systems(5, np.random.default_rng(0))
    with pytest.raises(UsageError, match="5 and 4 speakers"):
        permutation_test(first, second[:4])
    with pytest.raises(UsageError, match="at least one"):
        permutation_test(first[:0], second[:0])


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_order_of_systems_and_clusters_does_not_matter(speakers: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = systems(speakers, rng)
    order = rng.permutation(speakers)
    result = permutation_test(first, second)
    assert 0 < result.p <= 1
    assert result.p >= result.smallest - 1e-12
    turned = permutation_test(second[order], first[order])
    assert turned.p == pytest.approx(result.p)
    assert turned.difference == pytest.approx(-result.difference)


def test_mcnemar_agrees_with_its_definition() -> None:
    rng = np.random.default_rng(9)
    first, second = rng.random(80) < 0.8, rng.random(80) < 0.6
    only_first, only_second = np.sum(first & ~second), np.sum(second & ~first)
    reference = stats.binomtest(int(only_first), int(only_first + only_second)).pvalue
    assert mcnemar(first.tolist(), second.tolist()) == pytest.approx(reference)
    table = [[np.sum(first & second), only_first], [only_second, np.sum(~first & ~second)]]
    assert mcnemar(first.tolist(), second.tolist()) == pytest.approx(statsmodels_mcnemar(table).pvalue)
    assert mcnemar([True, False], [True, False]) == 1.0


@settings(deadline=None)
@given(st.dictionaries(st.integers(), st.one_of(st.floats(0, 1), st.just(float("nan"))), max_size=12))
def test_holm(p_values: dict[int, float]) -> None:
    corrected = holm(p_values)
    assert list(corrected) == list(p_values)
    known = sorted((p, key) for key, p in p_values.items() if not np.isnan(p))
    assert all(np.isnan(corrected[key]) for key, p in p_values.items() if np.isnan(p))
    reference = 0.0
    for place, (p, key) in enumerate(known):  # Holm (1979): the k-th smallest times the number that is left
        reference = min(1.0, max(reference, p * (len(known) - place)))
        assert corrected[key] == pytest.approx(reference)
