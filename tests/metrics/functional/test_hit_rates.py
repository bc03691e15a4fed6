"""Hu against Wagner's worked example, d' and criterion against scipy."""

import pytest
import torch
from scipy.stats import norm

from sercl.metrics.functional.classification import precision, recall
from sercl.metrics.functional.hit_rates import (
    chance_of_unbiased_hits,
    criterion,
    sensitivity,
    unbiased_hit_rate,
)

BIASED = torch.tensor([[4.0, 1.0, 1.0], [1.0, 5.0, 0.0], [1.0, 2.0, 3.0]])


def test_hu_is_that_of_the_worked_example() -> None:
    # 4 of 6 hits, and the answer was used 6 times: 16 / 36.
    assert unbiased_hit_rate(BIASED)[0].item() == pytest.approx(16 / 36)
    assert chance_of_unbiased_hits(BIASED)[0].item() == pytest.approx(6 * 6 / 18**2)


def test_hu_is_recall_times_precision() -> None:
    assert torch.allclose(unbiased_hit_rate(BIASED), recall(BIASED) * precision(BIASED))


def test_always_the_same_answer_has_chance_hu() -> None:
    always = torch.tensor([[10.0, 0.0], [10.0, 0.0]])
    assert torch.allclose(unbiased_hit_rate(always), torch.tensor([0.5, 0.0]))
    assert torch.allclose(unbiased_hit_rate(always), chance_of_unbiased_hits(always))


def test_a_class_without_items_has_no_score() -> None:
    absent = torch.tensor([[5.0, 1.0], [0.0, 0.0]])
    for score in (unbiased_hit_rate, sensitivity, criterion):
        assert score(absent).isnan().tolist()[1]
    assert sensitivity(absent).isnan().all(), "without other classes there are no false alarms"


def test_sensitivity_and_bias_are_those_of_signal_detection() -> None:
    hits, false_alarms = norm.ppf(4.5 / 7), norm.ppf(2.5 / 13)
    assert sensitivity(BIASED)[0].item() == pytest.approx(hits - false_alarms, abs=1e-6)
    assert criterion(BIASED)[0].item() == pytest.approx(-(hits + false_alarms) / 2, abs=1e-6)


def test_a_further_answer_is_a_miss_and_no_false_alarm() -> None:
    with_other = torch.tensor([[4.0, 0.0, 6.0], [0.0, 9.0, 1.0]])
    assert unbiased_hit_rate(with_other).tolist() == pytest.approx([0.4, 0.9])
    assert sensitivity(with_other)[0].item() == pytest.approx(
        norm.ppf(4.5 / 11) - norm.ppf(0.5 / 11), abs=1e-6
    )


def test_batches_are_scored_one_by_one() -> None:
    both = torch.stack([BIASED, BIASED.T.contiguous()])
    for score in (unbiased_hit_rate, chance_of_unbiased_hits, sensitivity, criterion):
        assert torch.allclose(score(both)[0], score(BIASED))
