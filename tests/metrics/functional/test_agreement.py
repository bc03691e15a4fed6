"""Alpha against the worked examples of Krippendorff (2011), kappa against the data of Fleiss (1971)."""

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sercl.errors import UsageError
from sercl.metrics.functional.agreement import (
    agreement_error,
    fleiss_kappa,
    krippendorff_alpha,
    pairwise_agreement,
    time_alpha,
    time_disagreement,
)


def counts_of(*observers: str) -> np.ndarray:
    """Return counts from a word per observer, a letter per item, "." for none."""
    answers = sorted(set("".join(observers)) - {"."})
    return np.array(
        [
            [sum(own[item] == answer for own in observers) for answer in answers]
            for item in range(len(observers[0]))
        ]
    )


EXAMPLES = [
    (("0100000010", "1110010000"), 0.095),
    (("aabbdcccedda", "babbbccceddd"), 0.692),
    (("123321412...", "1233224125.3", ".3332342251.", "12332441251."), 0.743),
]


@pytest.mark.parametrize(("observers", "alpha"), EXAMPLES)
def test_alpha_is_that_of_the_worked_examples(observers: tuple[str, ...], alpha: float) -> None:
    assert krippendorff_alpha(counts_of(*observers)) == pytest.approx(alpha, abs=5e-4)


def test_alpha_is_that_of_the_package() -> None:
    rng = np.random.default_rng(0)
    data = rng.integers(0, 4, size=(6, 40)).astype(float)
    data[rng.random(data.shape) < 0.2] = np.nan
    counts = np.stack([(data == answer).sum(axis=0) for answer in range(4)], axis=1)
    expected = krippendorff.alpha(reliability_data=data, level_of_measurement="nominal")
    assert krippendorff_alpha(counts) == pytest.approx(expected)


def test_kappa_is_that_of_fleiss() -> None:
    table = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    assert fleiss_kappa(np.array(table)) == pytest.approx(0.210, abs=5e-4)


def test_kappa_needs_equally_many_answers() -> None:
    with pytest.raises(UsageError, match="Krippendorff"):
        fleiss_kappa(np.array([[2, 1], [1, 1]]))


def test_without_differences_there_is_no_agreement_to_measure() -> None:
    same = np.array([[3, 0], [3, 0]])
    assert np.isnan(krippendorff_alpha(same))
    assert np.isnan(fleiss_kappa(same))
    assert pairwise_agreement(same) == 1
    assert np.isnan(pairwise_agreement(np.array([[1, 0], [0, 1]])))


@given(arrays(np.int64, (6, 3), elements=st.integers(0, 4)))
def test_alpha_has_limits_and_ignores_single_answers(counts: np.ndarray) -> None:
    alpha = krippendorff_alpha(counts)
    assert np.isnan(alpha) or -1 <= alpha <= 1
    more = np.concatenate([counts, [[1, 0, 0], [0, 0, 0]]])
    assert krippendorff_alpha(more) == pytest.approx(alpha, nan_ok=True)


def test_the_standard_error_of_alpha_is_that_of_repeated_studies() -> None:
    rng = np.random.default_rng(1)

    def study() -> tuple[float, float]:
        truth = rng.integers(0, 3, size=30)
        ability, ease = rng.normal(0.8, 0.7, size=12), rng.normal(0, 0.7, size=30)
        right = rng.random((12, 30)) < 1 / (1 + np.exp(-(ability[:, None] + ease)))
        answers = np.where(right, truth, (truth + rng.integers(1, 3, size=(12, 30))) % 3)
        counts = np.stack([(answers == answer).sum(axis=0) for answer in range(3)], axis=1)
        return krippendorff_alpha(counts), agreement_error(counts, answers, krippendorff_alpha)

    alphas, errors = np.array([study() for _ in range(60)]).T
    assert 0.8 < errors.mean() / alphas.std() < 1.5


@given(
    st.lists(st.tuples(st.integers(1, 9), st.lists(st.integers(0, 3), min_size=3, max_size=3)), min_size=1)
)
def test_alpha_over_time_is_the_limit_of_short_frames(stretches: list[tuple[int, list[int]]]) -> None:
    seconds = np.array([length for length, _ in stretches], dtype=float)
    counts = np.array([np.bincount(answers, minlength=4) for _, answers in stretches])
    frames = np.repeat(counts, (10_000 * seconds).astype(int) // 10, axis=0)
    expected, found = krippendorff_alpha(frames), time_alpha(time_disagreement(counts, seconds))
    assert found == pytest.approx(expected, abs=1e-3, nan_ok=True)


def test_alpha_over_time_of_two_listeners() -> None:
    # 4 s alike and 1 s not: observed 0.2, expected 2 * 0.9 * 0.1, since 1 answer in 10 is the second.
    counts = np.array([[2, 0], [1, 1]])
    assert time_alpha(time_disagreement(counts, np.array([4.0, 1.0]))) == pytest.approx(1 - 0.2 / 0.18)
    sums = time_disagreement(counts[:1], np.array([4.0])) + time_disagreement(counts[1:], np.array([1.0]))
    assert time_alpha(sums) == pytest.approx(1 - 0.2 / 0.18)
    assert np.isnan(time_alpha(time_disagreement(np.array([[1, 0]]), np.array([4.0]))))
