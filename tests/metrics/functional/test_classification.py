import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from sercl.metrics.functional import classification as ours

CLASSES = 4
PAIRS = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60)


def columns(pairs: list[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    truth, predicted = torch.tensor(pairs).T
    return truth, predicted, ours.confusion_matrix(truth, predicted, CLASSES)


@given(pairs=PAIRS)
def test_averages_equal_sklearn(pairs: list[tuple[int, int]]) -> None:
    truth, predicted, confusion = columns(pairs)
    assert confusion.tolist() == sk.confusion_matrix(truth, predicted, labels=range(CLASSES)).tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # sklearn warns where a prediction's class has no truth.
        uar = sk.balanced_accuracy_score(truth, predicted)
    assert ours.uar(confusion).item() == pytest.approx(uar, abs=1e-6)
    assert ours.wa(confusion).item() == pytest.approx(sk.accuracy_score(truth, predicted), abs=1e-6)
    assert ours.macro_f1(confusion).item() == pytest.approx(
        sk.f1_score(truth, predicted, average="macro"), abs=1e-6
    )


@given(pairs=PAIRS)
def test_class_scores_equal_sklearn(pairs: list[tuple[int, int]]) -> None:
    truth, predicted, confusion = columns(pairs)
    options = {"labels": range(CLASSES), "average": None, "zero_division": float("nan")}
    for mine, theirs in (
        (ours.recall, sk.recall_score),
        (ours.precision, sk.precision_score),
        (ours.f1, sk.f1_score),
    ):
        expected = torch.tensor(theirs(truth, predicted, **options), dtype=torch.float32)
        torch.testing.assert_close(mine(confusion), expected, equal_nan=True)


def test_a_class_absent_from_the_truth_does_not_lower_the_uar() -> None:
    confusion = torch.tensor([[2, 0, 0], [0, 1, 1], [0, 0, 0]])
    assert ours.uar(confusion) == 0.75
    assert ours.recall(confusion)[2].isnan()
    assert ours.precision(confusion)[2] == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=60))
def test_predictions_that_are_no_class_are_one_more_label_for_sklearn(pairs: list[tuple[int, int]]) -> None:
    truth, predicted = torch.tensor(pairs).T
    confusion = ours.confusion_matrix(truth, predicted, CLASSES + 1)[:CLASSES]
    classes = sorted({*truth.tolist(), *predicted.tolist()} - {CLASSES})
    options = {"labels": classes, "average": "macro", "zero_division": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = {
            "uar": sk.balanced_accuracy_score(truth, predicted),
            "wa": sk.accuracy_score(truth, predicted),
            "macro_f1": sk.f1_score(truth, predicted, **options),
        }
    for name, value in expected.items():
        assert ours.AVERAGES[name].of(confusion).item() == pytest.approx(value, abs=1e-6), name
    expected_precision = sk.precision_score(
        truth, predicted, labels=range(CLASSES), average=None, zero_division=0
    )
    torch.testing.assert_close(
        ours.precision(confusion).nan_to_num(), torch.tensor(expected_precision, dtype=torch.float32)
    )


def test_a_stack_of_matrices_gives_a_stack_of_scores() -> None:
    stack = torch.randint(0, 9, (5, 2, 3, 3))
    torch.testing.assert_close(ours.uar(stack)[4, 1], ours.uar(stack[4, 1]))
    assert ours.macro_f1(stack).shape == (5, 2)
    assert ours.recall(stack).shape == (5, 2, 3)


def test_scores_are_named_by_class() -> None:
    named = ours.scores(torch.tensor([[3, 1], [0, 2]]), ["angry", "sad"])
    assert list(named) == [
        "uar",
        "wa",
        "macro_f1",
        "recall/angry",
        "recall/sad",
        "precision/angry",
        "precision/sad",
    ]
    assert named["recall/angry"] == 0.75
    assert named["precision/sad"] == pytest.approx(2 / 3)
