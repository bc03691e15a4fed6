import itertools
from dataclasses import astuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from sercl.errors import UsageError
from sercl.metrics.functional.classification import uar
from sercl.metrics.functional.comparison import (
    PermutationTest,
    holm,
    mcnemar,
    permutation_test,
    sign_flip_test,
)

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
    result = permutation_test(first, second)

    def difference(swap: tuple[bool, ...]) -> float:
        chosen = np.array(swap)[:, None, None]
        one, two = np.where(chosen, second, first), np.where(chosen, first, second)
        return _uar(one.sum(axis=0)) - _uar(two.sum(axis=0))

    values = np.array([difference(swap) for swap in itertools.product([False, True], repeat=6)])
    assert result.difference == pytest.approx(values[0])
    assert result.p == pytest.approx(np.mean(np.abs(values) >= abs(values[0]) - 1e-12), abs=1e-9)
    assert (result.exact, result.count, result.unit) == (True, 6, "speakers")


def _uar(confusion: NDArray[np.int64]) -> float:
    return float(np.mean(np.diag(confusion) / confusion.sum(axis=1)))


def test_it_agrees_with_scipy_on_speakers_of_equal_size() -> None:
    rng = np.random.default_rng(3)
    first, second = systems(11, rng)
    scores = [np.trace(one, axis1=1, axis2=2) / one.sum(axis=(1, 2)) for one in (first, second)]
    reference = stats.permutation_test(
        scores, lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", vectorized=True
    )
    assert permutation_test(first, second).p == pytest.approx(reference.pvalue)


def test_thousands_of_units_are_compared() -> None:
    """One speaker's utterances are each a unit: more swaps than a float can count."""
    terms = np.full(3000, 1 / 3000)
    result = sign_flip_test(terms, terms, level=0.95, resamples=199, seed=1, unit="utterances")
    assert (result.difference, result.exact, result.count) == (pytest.approx(1.0), False, 3000)
    assert result.p == pytest.approx(1 / 200)


def test_how_small_p_can_become_is_said() -> None:
    first, second = np.zeros((2, 5, CLASSES, CLASSES), dtype=np.int64)
    first[:, range(4), range(4)] = 9
    second[:, range(4), [1, 2, 3, 0]] = 9
    result = permutation_test(first, second)
    assert (result.difference, result.p, result.smallest) == (1.0, 2 / 2**5, 2 / 2**5)
    assert permutation_test(first[:1], second[:1]).smallest == 1.0
    many = [system.repeat(8, axis=0) for system in (first, second)]
    result = permutation_test(many[0], many[1], resamples=199)
    assert (result.exact, result.p, result.smallest) == (False, 1 / 200, 1 / 200)


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
    assert astuple(thrice) == pytest.approx(astuple(once))


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


@pytest.mark.parametrize("speakers", [6, 10, 20])
@pytest.mark.parametrize("gain", [0.0, 0.8])
def test_intervals_cover_the_difference_and_equal_systems_are_rarely_told_apart(
    speakers: int, gain: float
) -> None:
    rng = np.random.default_rng(speakers)
    truth = float(np.subtract(*(_uar(own.sum(axis=0)) for own in systems(100_000, rng, gain))))
    results = [permutation_test(*systems(speakers, rng, gain), resamples=1999) for _ in range(400)]
    covered = np.mean([result.low <= truth <= result.high for result in results])
    assert 0.92 <= covered <= 0.99
    if gain == 0:
        assert np.mean([result.p < 0.05 for result in results]) <= 0.08


@settings(deadline=None, max_examples=300)
@given(st.integers(1, 25), st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]))
def test_p_is_below_the_level_exactly_where_the_interval_excludes_zero(
    speakers: int, seed: int, level: float
) -> None:
    rng = np.random.default_rng(seed)
    first, second = systems(
        speakers, rng, gain=rng.choice([0.0, 0.5, 1.5]), per_class=int(rng.integers(1, 9))
    )
    result = permutation_test(first, second, level=level, resamples=9999 if speakers < 11 else 299)
    assert (result.p < round(1 - level, 9)) == _excludes_zero(result)
    assert np.isnan(result.low) or result.low <= result.difference <= result.high


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.integers(0, 9))
def test_ties_do_not_part_p_and_interval(gains: list[int], seed: int) -> None:
    terms = np.array(gains) / (7 * len(gains))
    weights = np.full(len(gains), 1 / len(gains))
    result = sign_flip_test(terms, weights, resamples=999, seed=seed)
    assert (result.p < 0.05) == _excludes_zero(result)


def _excludes_zero(result: PermutationTest) -> bool:
    return result.low > 0 or result.high < 0


def test_the_ends_are_differences_that_the_same_test_does_not_reject() -> None:
    rng = np.random.default_rng(11)
    terms, weights = rng.normal(0.02, 0.03, size=9), np.full(9, 1 / 9)
    result = sign_flip_test(terms, weights)
    for end in (result.low, result.high):
        outside = end + np.sign(end - result.difference) * 1e-6
        inside = end - np.sign(end - result.difference) * 1e-6
        assert sign_flip_test(terms - outside * weights, weights).p < 0.05
        assert sign_flip_test(terms - inside * weights, weights).p >= 0.05


def test_with_few_speakers_there_is_no_interval() -> None:
    assert np.isnan(permutation_test(*systems(5, np.random.default_rng(0))).low)
    assert not np.isnan(permutation_test(*systems(6, np.random.default_rng(0))).low)
    assert not np.isnan(permutation_test(*systems(5, np.random.default_rng(0)), level=0.9).low)


def test_several_test_sets_are_averaged() -> None:
    rng = np.random.default_rng(12)
    pairs = [systems(7, rng) for _ in range(2)]
    stacked = [np.concatenate([pair[side] for pair in pairs], axis=1) for side in (0, 1)]
    result = permutation_test(stacked[0], stacked[1], groups=2)
    differences = [_uar(first.sum(axis=0)) - _uar(second.sum(axis=0)) for first, second in pairs]
    assert result.difference == pytest.approx(np.mean(differences))


def test_systems_on_other_utterances_are_refused() -> None:
    first, second = systems(6, np.random.default_rng(0))
    with pytest.raises(UsageError, match="same utterances"):
        permutation_test(first, 2 * second)


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
    for index, (p, key) in enumerate(known):  # Holm (1979): the k-th smallest times the number that is left
        reference = min(1.0, max(reference, p * (len(known) - index)))
        assert corrected[key] == pytest.approx(reference)
