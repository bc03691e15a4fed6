import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score

from sercl.metrics.functional.classification import AVERAGES
from sercl.studies.results.scores import score_confusions
from tests.studies.samples import CLASSES, drawn, predictions


def test_scores_are_the_mean_over_repeats() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 80).tolist()
    runs = rng.integers(0, 4, (3, 80)).tolist()
    item = predictions(truth, *runs, speakers=[f"s{index % 7}" for index in range(80)])
    scores = score_confusions(item.confusions(), CLASSES, item.unit_name)
    assert list(scores) == [*AVERAGES, *(f"recall/{name}" for name in CLASSES)]
    assert scores["uar"].value == pytest.approx(
        np.mean([balanced_accuracy_score(truth, run) for run in runs])
    )
    assert scores["wa"].value == pytest.approx(np.mean([np.mean(np.equal(truth, run)) for run in runs]))
    macro = np.mean([f1_score(truth, run, average="macro") for run in runs])
    assert scores["macro_f1"].value == pytest.approx(macro)
    sad = np.mean([recall_score(truth, run, average=None)[3] for run in runs])
    assert scores["recall/sad"].value == pytest.approx(sad)
    assert (scores["uar"].unit, scores["uar"].count) == ("speakers", 7)
    assert scores["uar"].low < scores["uar"].value < scores["uar"].high


def test_repeating_a_run_does_not_narrow_the_interval() -> None:
    item = drawn(1, 0.7)
    once = item.confusions()
    thrice = once.repeat(3, axis=1)
    single, repeated = (score_confusions(counts, CLASSES, "speakers")["uar"] for counts in (once, thrice))
    assert repeated.low == pytest.approx(single.low)
    assert repeated.high == pytest.approx(single.high)
