import numpy as np
import pytest
import torch

from sercl.metrics.functional.classification import uar
from sercl.metrics.functional.comparison import holm
from sercl.studies.results.paired import compare, compare_pooled, correct, count_votes
from tests.studies.samples import drawn, predictions


def score(item):
    return uar(torch.from_numpy(item.confusions().sum(axis=(0, 1)))).item()


def test_the_difference_is_that_of_the_scores() -> None:
    first, second = drawn(0, 0.8), drawn(1, 0.5)
    result = compare(first, second)
    assert result.difference.value == pytest.approx(score(first) - score(second))
    assert result.difference.low < result.difference.value < result.difference.high
    assert (result.utterances, result.difference.unit, result.difference.count) == (96, "speakers", 8)
    assert result.test is not None
    assert result.test.exact
    assert result.test.p < 0.05
    assert result.mcnemar is None
    assert result.differ == int((first.predicted != second.predicted).sum())


def test_unknown_speakers_fall_back_to_utterances_and_mcnemar() -> None:
    truth = [0, 1, 2, 3] * 10
    first = predictions(truth, truth)
    second = predictions(truth, [0] * 40)
    result = compare(first, second)
    assert result.difference.unit == "utterances"
    assert result.mcnemar == pytest.approx(2 * 0.5**30)
    repeated = predictions(truth, truth, [0] * 40)
    assert compare(repeated, second).mcnemar is None


def test_nothing_shared_has_no_test() -> None:
    first, second = drawn(0, 0.8, prefix="a"), drawn(0, 0.8, prefix="b")
    result = compare(first, second)
    assert (result.utterances, result.test) == (0, None)
    assert np.isnan(result.difference.value)


def test_pooled_is_the_mean_over_pairs() -> None:
    pairs = [(drawn(k, 0.7), drawn(k + 10, 0.6)) for k in range(3)]
    votes = [(count_votes(first), count_votes(second)) for first, second in pairs]
    result = compare_pooled(votes, ["X", "X", "Y"])
    differences = [score(first) - score(second) for first, second in pairs]
    assert result.difference.value == pytest.approx(np.mean(differences))
    # The speakers of the two pairs on X are the same people; those of Y are others of the same names.
    assert (result.difference.count, result.difference.unit) == (16, "speakers")
    assert result.utterances == 3 * 96
    alone = compare_pooled(votes[:1], ["X"])
    assert alone == compare(*pairs[0])


def test_pooled_may_mix_speakers_and_utterances() -> None:
    truth = [0, 1, 2, 3] * 3
    unknown = predictions(truth, truth), predictions(truth, [0] * 12)
    pairs = [(drawn(0, 0.7), drawn(1, 0.6)), unknown]
    votes = [(count_votes(first), count_votes(second)) for first, second in pairs]
    result = compare_pooled(votes, ["X", "Y"])
    assert (result.difference.unit, result.difference.count) == ("speakers and utterances", 20)


def test_pooled_p_values_and_intervals_hold_their_level() -> None:
    trials = 120
    results = [
        compare_pooled([equal_systems(k, "x"), equal_systems(k + 500, "y")], "XY") for k in range(trials)
    ]
    rejected = np.mean([result.test is not None and result.test.p <= 0.1 for result in results])
    covered = np.mean([result.difference.low <= 0 <= result.difference.high for result in results])
    assert abs(rejected - 0.1) < 0.09
    assert covered >= 0.88
    assert all(
        (result.test.p < 0.05) == (result.difference.low > 0 or result.difference.high < 0)
        for result in results
        if result.test is not None
    )


def equal_systems(seed: int, corpus: str):
    """Two systems of equal skill; speakers differ in how well each of them understands them."""
    pair = (drawn(seed + side, 0.6, 6, effect=0.8, prefix=corpus) for side in (0, 10_000))
    first, second = (count_votes(item) for item in pair)
    return first, second


def test_correct_corrects_what_has_a_test() -> None:
    systems = [drawn(seed, share) for seed, share in ((0, 0.9), (1, 0.5), (2, 0.6))]
    other = drawn(0, 0.5, prefix="b")
    family = [compare(systems[0], systems[1]), compare(systems[0], other), compare(systems[1], systems[2])]
    corrected = correct(family)
    expected = holm({0: family[0].test.p, 2: family[2].test.p})  # type: ignore[union-attr]
    assert [corrected[0].p_holm, corrected[2].p_holm] == pytest.approx([expected[0], expected[2]])
    assert np.isnan(corrected[1].p_holm)
