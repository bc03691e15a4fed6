import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from sercl.errors import UsageError
from sercl.studies.results.scores import Evaluation, evaluate

CLASSES = ("angry", "happy", "neutral", "sad")
PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60)


@settings(max_examples=30, deadline=None)
@given(PAIRS)
def test_scores_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = map(list, zip(*pairs, strict=True))
    result = evaluate(truth, predicted, [None] * len(pairs), CLASSES)
    present = sorted(set(truth))
    recall = metrics.recall_score(truth, predicted, labels=range(4), average=None, zero_division=np.nan)
    assert result.uar.value == pytest.approx(recall[present].mean())
    assert result.wa.value == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert result.macro_f1.value == pytest.approx(metrics.f1_score(truth, predicted, average="macro"))
    assert np.array_equal(result.confusion, metrics.confusion_matrix(truth, predicted, labels=range(4)))
    assert [row.support for row in result.per_class] == [truth.count(index) for index in range(4)]
    assert [row.recall for row in result.per_class] == pytest.approx(recall.tolist(), nan_ok=True)


@settings(max_examples=20, deadline=None)
@given(PAIRS)
def test_a_result_survives_json(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = map(list, zip(*pairs, strict=True))
    result = evaluate(truth, predicted, [None] * len(pairs), CLASSES)
    text = json.dumps(result.to_dict(), allow_nan=False)
    again = Evaluation.from_dict(json.loads(text))
    assert again.to_dict() == result.to_dict()
    assert again.classes == CLASSES
    assert repr(again) == repr(result)  # NaN is not equal to itself, its text is


def test_intervals_resample_speakers_where_there_are_enough() -> None:
    truth, predicted = [0, 1, 2, 3] * 6, [0, 1, 2, 0, 0, 1, 2, 3] * 3
    by_speaker = evaluate(truth, predicted, [f"s{index // 4}" for index in range(24)], CLASSES)
    assert (by_speaker.uar.unit, by_speaker.uar.count) == ("speakers", 6)
    by_utterance = evaluate(truth, predicted, [None] * 24, CLASSES)
    assert (by_utterance.uar.unit, by_utterance.uar.count) == ("utterances", 24)
    assert by_utterance.uar.low < by_utterance.uar.value < by_utterance.uar.high


def test_an_absent_class_has_no_recall() -> None:
    result = evaluate([0, 0, 1], [0, 1, 1], [None] * 3, CLASSES)
    assert math.isnan(result.per_class[3].recall)
    assert result.uar.value == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("truth", "predicted", "speakers"), [([], [], []), ([0], [0, 1], [None]), ([0], [0], [None, None])]
)
def test_lists_must_match(truth: list[int], predicted: list[int], speakers: list[str | None]) -> None:
    with pytest.raises(UsageError, match="evaluation"):
        evaluate(truth, predicted, speakers, CLASSES)
