import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from sercl.metrics.functional.classification import AVERAGES
from sercl.studies.results.scores import evaluate
from tests.studies.samples import predictions

CLASSES = ("angry", "happy", "neutral", "sad")
PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@settings(max_examples=30, deadline=None)
@given(PAIRS)
def test_scores_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = map(list, zip(*pairs, strict=True))
    result = evaluate(predictions(truth, predicted))
    present = sorted(set(truth))
    recall = metrics.recall_score(truth, predicted, labels=range(4), average=None, zero_division=np.nan)
    assert result.uar.value == pytest.approx(recall[present].mean())
    assert result.averages["wa"].value == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert result.averages["macro_f1"].value == pytest.approx(
        metrics.f1_score(truth, predicted, average="macro")
    )
    assert np.array_equal(result.confusion, metrics.confusion_matrix(truth, predicted, labels=range(4)))
    assert [row.support for row in result.per_class] == [truth.count(index) for index in range(4)]
    assert [row.recall for row in result.per_class] == pytest.approx(recall.tolist(), nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(PAIRS)
def test_a_result_survives_json(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = map(list, zip(*pairs, strict=True))
    result = evaluate(predictions(truth, predicted))
    again = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert list(again) == ["n", *AVERAGES, "per_class", "confusion"]
    for name, score in result.averages.items():
        assert again[name]["value"] == pytest.approx(score.value)
    assert [row["name"] for row in again["per_class"]] == list(CLASSES)
    assert [row["recall"] is None for row in again["per_class"]] == [
        math.isnan(row.recall) for row in result.per_class
    ]


def test_intervals_resample_speakers_where_there_are_enough() -> None:
    truth, predicted = [0, 1, 2, 3] * 6, [0, 1, 2, 0, 0, 1, 2, 3] * 3
    by_speaker = evaluate(predictions(truth, predicted, speakers=[f"s{index // 4}" for index in range(24)]))
    assert (by_speaker.uar.unit, by_speaker.uar.count) == ("speakers", 6)
    by_utterance = evaluate(predictions(truth, predicted))
    assert (by_utterance.uar.unit, by_utterance.uar.count) == ("utterances", 24)
    assert by_utterance.uar.low < by_utterance.uar.value < by_utterance.uar.high


def test_an_absent_class_has_no_recall() -> None:
    result = evaluate(predictions([0, 0, 1], [0, 1, 1]))
    assert math.isnan(result.per_class[3].recall)
    assert result.uar.value == pytest.approx(0.75)
