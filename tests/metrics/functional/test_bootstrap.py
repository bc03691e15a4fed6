import numpy as np
import pytest
import torch
from scipy import stats

from sercl.metrics.functional.bootstrap import (
    clusters_behind,
    half_width,
    mean_score,
    resampled,
    summed,
    with_repeats,
)
from sercl.metrics.functional.classification import recall, uar, wa
from sercl.metrics.functional.clusters import hits_uar


def confusions(clusters: int, *repeats: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 9, (clusters, *repeats, 3, 3))


def test_resampling_draws_as_many_clusters_as_there_are() -> None:
    counts = np.zeros((5, 3, 3), dtype=np.int64)
    counts[range(5), 0, 0] = 10 ** np.arange(5)  # every digit of the sum tells how often a cluster was drawn
    drawn = resampled(counts, 400, seed=1)
    assert drawn.shape == (400, 1, 3, 3)
    digits = np.array([[int(value) // 10**k % 10 for k in range(5)] for value in drawn[:, 0, 0, 0].tolist()])
    assert (digits.sum(axis=1) == 5).all()
    assert digits.mean() == pytest.approx(1, abs=1e-9)
    assert len(np.unique(digits, axis=0)) > 50
    assert torch.equal(drawn, resampled(counts, 400, seed=1))
    assert not torch.equal(drawn, resampled(counts, 400, seed=2))


def test_repeats_are_drawn_together() -> None:
    counts = confusions(6, 1).repeat(4, axis=1)
    drawn = resampled(counts, 20, seed=0)
    assert drawn.shape == (20, 4, 3, 3)
    assert torch.equal(drawn[:, 0], drawn[:, 3])


def test_pooling_and_averaging() -> None:
    counts = confusions(6, 2)
    whole = summed(counts)
    assert (whole.shape, whole.dtype) == ((2, 3, 3), torch.float64)
    assert float(mean_score(whole, wa)) == pytest.approx(
        np.mean([np.trace(counts[:, run].sum(axis=0)) / counts[:, run].sum() for run in range(2)])
    )
    assert with_repeats(counts) is counts
    assert with_repeats(counts[:, 0]).shape == (6, 1, 3, 3)
    absent = torch.zeros(2, 3, 3, dtype=torch.float64)
    absent[0, 0, 0] = 1
    assert float(mean_score(absent, uar)) == 1  # the repeat without a score is left out


def test_half_widths_are_t_standard_errors() -> None:
    draws = torch.tensor([0.4, 0.5, 0.6, float("nan")], dtype=torch.float64)
    error = np.std([0.4, 0.5, 0.6]) * np.sqrt(10 / 9)
    assert half_width(draws, 0.95, 10) == pytest.approx(stats.t.ppf(0.975, 9) * error)
    apart = np.std([0.4, 0.5, 0.6]) * np.sqrt(10 / 8)
    assert half_width(draws, 0.9, 10, groups=2) == pytest.approx(stats.t.ppf(0.95, 8) * apart)
    assert np.isnan(half_width(torch.full((3,), float("nan")), 0.95, 10))


def test_a_score_stands_on_the_clusters_that_have_it() -> None:
    # Six clusters, of which all have class 0, three class 1 and one class 2.
    counts = torch.tensor([[2, 1, 1], [2, 1, 0], [2, 1, 0], [2, 0, 0], [2, 0, 0], [2, 0, 0]]).double()
    perfect = torch.diag_embed(counts)
    assert clusters_behind(perfect, lambda matrices: recall(matrices)[..., 0]) == 6
    assert clusters_behind(perfect, lambda matrices: recall(matrices)[..., 1]) == 3
    assert clusters_behind(perfect, lambda matrices: recall(matrices)[..., 2]) == 1
    assert clusters_behind(perfect, uar) == 3
    assert clusters_behind(perfect[:3], uar) == 3
    assert clusters_behind(perfect[:, None].repeat(1, 4, 1, 1), uar) == 3
    assert clusters_behind(torch.stack([counts, counts], dim=-1), hits_uar) == 3


def test_a_score_of_what_has_no_classes_stands_on_the_clusters_that_count() -> None:
    sums = torch.tensor([[1.0, 1.0], [3.0, 3.0], [0.0, 0.0]], dtype=torch.float64)
    assert clusters_behind(sums, lambda each: each[..., 0] / each[..., 1]) == 2
