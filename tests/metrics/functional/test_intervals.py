import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats

from sercl.errors import UsageError
from sercl.metrics.functional.classification import confusion_matrix, recall, uar, wa
from sercl.metrics.functional.clusters import cluster_confusions, cluster_hits, hits_uar
from sercl.metrics.functional.intervals import (
    bootstrap_interval,
    bootstrap_intervals,
    clustered_interval,
    clustered_mean_interval,
)


def speakers_confusions(
    count: int, rng: np.random.Generator, ease: float = 1.2, repeats: int = 1
) -> NDArray[np.int64]:
    """8 utterances of each of 4 classes per speaker; speakers differ in how well they are recognised."""
    ability = ease + 0.5 * rng.normal(size=(count, 1)) + 0.3 * rng.normal(size=(count, 4))
    hits = rng.binomial(8, 1 / (1 + np.exp(-ability))[:, None], size=(count, repeats, 4))
    confusions = np.zeros((count, repeats, 4, 4), dtype=np.int64)
    diagonal = np.arange(4)
    confusions[..., diagonal, diagonal] = hits
    confusions[..., diagonal, (diagonal + 1) % 4] = 8 - hits
    return confusions if repeats > 1 else confusions[:, 0]


@pytest.mark.parametrize("speakers", [5, 10, 40])
@pytest.mark.parametrize("ease", [1.2, 3.0], ids=["UAR 75 %", "UAR 93 %"])
def test_coverage_is_near_its_level(speakers: int, ease: float) -> None:
    rng = np.random.default_rng(speakers)
    truth = uar(torch.from_numpy(speakers_confusions(50_000, rng, ease).sum(0))).item()
    intervals = [
        bootstrap_interval(speakers_confusions(speakers, rng, ease), resamples=300) for _ in range(500)
    ]
    covered = np.mean([interval.low <= truth <= interval.high for interval in intervals])
    assert 0.92 <= covered <= 0.98


def test_coverage_with_repeats() -> None:
    rng = np.random.default_rng(3)
    truth = uar(torch.from_numpy(speakers_confusions(50_000, rng).sum(0))).item()
    intervals = [
        bootstrap_interval(speakers_confusions(10, rng, repeats=4), resamples=300) for _ in range(300)
    ]
    assert 0.91 <= np.mean([interval.low <= truth <= interval.high for interval in intervals]) <= 0.99


def test_equal_repeats_add_nothing() -> None:
    confusions = speakers_confusions(8, np.random.default_rng(4))
    once, thrice = bootstrap_interval(confusions), bootstrap_interval(confusions[:, None].repeat(3, axis=1))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_several_scores_share_their_resamples() -> None:
    confusions = speakers_confusions(8, np.random.default_rng(5))
    both = bootstrap_intervals(confusions, {"uar": uar, "wa": wa})
    assert both["uar"] == bootstrap_interval(confusions, uar)
    assert both["wa"] == bootstrap_interval(confusions, wa)


def test_many_clusters_agree_with_scipy() -> None:
    rng = np.random.default_rng(1)
    confusions = speakers_confusions(200, rng)

    def statistic(index: NDArray[np.int64], axis: int = -1) -> NDArray[np.float64]:
        return uar(torch.from_numpy(confusions[index].sum(axis=-3))).numpy()

    theirs = stats.bootstrap(
        (np.arange(200),), statistic, vectorized=True, n_resamples=4000, method="percentile", rng=rng
    ).confidence_interval
    ours = bootstrap_interval(confusions, resamples=4000)
    assert ours.low == pytest.approx(theirs.low, abs=3e-3)
    assert ours.high == pytest.approx(theirs.high, abs=3e-3)


def test_speakers_are_resampled_from_five_on() -> None:
    truth, predicted = np.random.default_rng(0).integers(0, 4, (2, 60)).tolist()
    five = clustered_interval(truth, predicted, [f"s{i % 5}" for i in range(60)], 4)
    four = clustered_interval(truth, predicted, [f"s{i % 4}" for i in range(60)], 4)
    unknown = clustered_interval(truth, predicted, [None, *(f"s{i}" for i in range(59))], 4)
    assert (five.unit, five.count) == ("speakers", 5)
    assert (four.unit, four.count) == ("utterances", 60)
    assert unknown.unit == "utterances"


def test_speakers_that_differ_widen_the_interval() -> None:
    speakers = [f"s{i // 20}" for i in range(120)]
    truth = torch.arange(120) % 4
    predicted = torch.where(
        torch.arange(120) < 60, truth, (truth + 1) % 4
    )  # three speakers all right, three wrong
    by_speaker = clustered_interval(truth, predicted, speakers, 4)
    by_utterance = clustered_interval(truth, predicted, [None] * 120, 4)
    assert by_speaker.high - by_speaker.low > 2 * (by_utterance.high - by_utterance.low)


def test_clusters_sum_to_the_whole() -> None:
    truth, predicted = torch.randint(0, 3, (2, 30))
    confusions = cluster_confusions(truth, predicted, [f"s{i % 7}" for i in range(30)], 3)
    assert confusions.shape == (7, 3, 3)
    assert confusions.sum(0).tolist() == confusion_matrix(truth, predicted, 3).tolist()
    first = slice(0, None, 7)
    assert confusions[0].tolist() == confusion_matrix(truth[first], predicted[first], 3).tolist()


def test_another_statistic_and_the_seed() -> None:
    confusions = speakers_confusions(12, np.random.default_rng(2))
    assert bootstrap_interval(confusions, wa) == bootstrap_interval(confusions, wa)
    assert bootstrap_interval(confusions, wa) != bootstrap_interval(confusions, wa, seed=1)
    one = bootstrap_interval(confusions, lambda matrices: recall(matrices)[..., 0])
    inside = recall(torch.from_numpy(confusions.sum(0)))[0]
    assert one.low < inside < one.high
    narrow = bootstrap_interval(confusions, wa, level=0.5)
    wide = bootstrap_interval(confusions, wa, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize("speakers", [5, 10, 40])
def test_no_error_and_no_hit_have_the_exact_interval_of_the_speakers(speakers: int) -> None:
    truth, names = [i // 2 % 4 for i in range(8 * speakers)], [f"s{i // 8}" for i in range(8 * speakers)]
    exact = stats.binomtest(speakers, speakers).proportion_ci(method="exact")
    perfect = clustered_interval(truth, truth, names, 4)
    assert (perfect.low, perfect.high) == pytest.approx((exact.low, 1))
    assert (perfect.unit, perfect.count) == ("speakers", speakers)
    missed = clustered_interval(truth, [(label + 1) % 4 for label in truth], names, 4, wa)
    assert (missed.low, missed.high) == pytest.approx((0, 1 - exact.low))


def test_equal_utterances_without_speakers_have_the_exact_interval() -> None:
    truth = [i % 4 for i in range(40)]
    perfect = clustered_interval(truth, truth, [None] * 40, 4, level=0.9)
    exact = stats.binomtest(40, 40).proportion_ci(0.9, method="exact")
    assert (perfect.low, perfect.high) == pytest.approx((exact.low, 1))


def test_hits_repeats_and_means_have_the_exact_interval_too() -> None:
    truth, names = np.arange(48) % 4, [f"s{i // 8}" for i in range(48)]
    exact = stats.binomtest(6, 6).proportion_ci(method="exact").low
    counts = cluster_hits(truth, np.stack([truth] * 3), names, 4)
    assert bootstrap_interval(counts, hits_uar).low == pytest.approx(exact)
    assert clustered_mean_interval([0.0] * 48, names).high == pytest.approx(1 - exact)
    unbounded = clustered_mean_interval([0.0] * 48, names, bounded=False)
    assert (unbounded.low, unbounded.high) == (0, 0)


def test_one_utterance_or_no_score_gives_none() -> None:
    single = clustered_interval([0], [0], ["a"], 4)
    assert np.isnan([single.low, single.high]).all()
    absent = bootstrap_interval(
        np.eye(4, dtype=np.int64)[None, :, :].repeat(5, 0) * [1, 1, 1, 0], lambda m: recall(m)[..., 3]
    )
    assert np.isnan([absent.low, absent.high]).all()


def test_wrong_input_is_refused() -> None:
    with pytest.raises(UsageError, match="2 truths, 1 predictions"):
        clustered_interval([0, 1], [0], ["a", "b"], 4)
    with pytest.raises(UsageError, match=r"level 95"):
        clustered_interval([0, 1], [0, 1], ["a", "b"], 4, level=95)


def test_repeats_are_averaged_and_are_not_more_data() -> None:
    confusions = speakers_confusions(12, np.random.default_rng(3))
    once = bootstrap_interval(confusions)
    thrice = bootstrap_interval(np.repeat(confusions[:, None], 3, axis=1))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))
    other = speakers_confusions(12, np.random.default_rng(4))
    both = bootstrap_interval(np.stack([confusions, other], axis=1))
    assert both.low == pytest.approx(once.low, abs=0.1)
    assert both.count == 12


def test_hits_give_the_uar_of_the_confusion_matrix() -> None:
    rng = np.random.default_rng(5)
    truth, first, second = rng.integers(0, 4, (3, 90))
    speakers = [f"s{i % 9}" for i in range(90)]
    counts = cluster_hits(truth, np.stack([first, second]), speakers, 5)
    assert counts.shape == (9, 2, 5, 2)
    for repeat, predicted in enumerate((first, second)):
        confusions = cluster_confusions(truth.tolist(), predicted.tolist(), speakers, 5)
        expected = uar(torch.from_numpy(confusions))
        torch.testing.assert_close(hits_uar(torch.from_numpy(counts[:, repeat])), expected)
        ours = bootstrap_interval(counts[:, repeat : repeat + 1], hits_uar, resamples=8000)
        theirs = bootstrap_interval(confusions, uar, resamples=8000)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_the_interval_of_a_mean_covers_it_and_agrees_with_scipy() -> None:
    rng = np.random.default_rng(3)
    values = rng.beta(2, 5, 300)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=rng
    ).confidence_interval
    ours = clustered_mean_interval(values.tolist(), [None] * 300, resamples=4000)
    assert (ours.unit, ours.count) == ("utterances", 300)
    assert ours.low == pytest.approx(theirs.low, abs=3e-3)
    assert ours.high == pytest.approx(theirs.high, abs=3e-3)


def test_speakers_that_differ_widen_the_interval_of_a_mean() -> None:
    values = [0.2 if i < 60 else 0.6 for i in range(120)]
    by_speaker = clustered_mean_interval(values, [f"s{i // 20}" for i in range(120)])
    by_utterance = clustered_mean_interval(values, [None] * 120)
    assert (by_speaker.unit, by_speaker.count) == ("speakers", 6)
    assert by_speaker.high - by_speaker.low > 2 * (by_utterance.high - by_utterance.low)


def test_weights_and_absent_values_of_a_mean() -> None:
    values = [0.0, 1.0] * 20
    heavy = clustered_mean_interval(values, [None] * 40, weights=[9.0, 1.0] * 20)
    assert heavy.low < 0.1 < heavy.high < 0.25
    known = clustered_mean_interval([0.5, np.nan] * 20, [f"s{i}" for i in range(40)])
    assert (known.low, known.high) == (0.5, 0.5)
    assert np.isnan(clustered_mean_interval([np.nan] * 9, [None] * 9).low)
    with pytest.raises(UsageError, match="2 values, 2 weights, 1 speakers"):
        clustered_mean_interval([0.1, 0.2], ["a"])


def test_many_different_clusters_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(4).random(50).tolist()
    whole = clustered_mean_interval(values, [None] * 50)
    monkeypatch.setattr("sercl.metrics.functional.bootstrap._MOST_DRAWS", 500)
    assert clustered_mean_interval(values, [None] * 50) == whole


def test_a_score_of_0_that_no_cluster_has_by_itself_has_no_interval():
    # Of a single recording this correlation is 0 / 0.
    def spread(confusion):
        return (
            (confusion.sum(-1)[..., 0] * confusion.sum(-1)[..., 1])
            * 0.0
            / (confusion.sum(-1)[..., 0] * confusion.sum(-1)[..., 1])
        )

    sums = np.array([[[1, 0], [0, 0]], [[0, 0], [1, 0]]])
    found = bootstrap_interval(sums, spread)
    assert np.isnan([found.low, found.high]).all()
