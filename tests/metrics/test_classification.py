import matplotlib.pyplot as plt
import pytest
import torch
from sklearn import metrics as sk

from sercl.metrics.classification import EmotionMetrics

NAMES = ("angry", "happy", "neutral", "sad")


def test_sums_over_batches_of_scores_or_indices() -> None:
    metric = EmotionMetrics(NAMES)
    truth, logits = torch.randint(0, 4, (40,)), torch.randn(40, 4)
    metric.update(logits[:25], truth[:25])
    metric.update(logits[25:].argmax(1), truth[25:])
    result = metric.compute()
    assert result["uar"].item() == pytest.approx(
        sk.balanced_accuracy_score(truth, logits.argmax(1)), abs=1e-6
    )
    assert result["recall/happy"].item() == pytest.approx(
        sk.recall_score(truth, logits.argmax(1), labels=[1], average="macro"), abs=1e-6
    )
    assert metric.confusion().tolist() == sk.confusion_matrix(truth, logits.argmax(1)).tolist()


def test_reset_forgets() -> None:
    metric = EmotionMetrics(NAMES)
    metric.update(torch.tensor([0, 1]), torch.tensor([1, 0]))
    metric.reset()
    metric.update(torch.tensor([2]), torch.tensor([2]))
    assert metric.compute()["wa"] == 1
    assert metric.confusion().sum() == 1


def test_forward_returns_the_scores_of_the_batch() -> None:
    metric = EmotionMetrics(NAMES)
    metric.update(torch.tensor([0]), torch.tensor([1]))
    assert metric(torch.tensor([3]), torch.tensor([3]))["wa"] == 1
    assert metric.compute()["wa"] == 0.5


def test_an_absent_class_is_left_out() -> None:
    metric = EmotionMetrics(NAMES)
    metric.update(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]))
    assert metric.compute()["uar"] == 0.75


def test_scores_are_drawn_by_name_and_over_steps() -> None:
    metric = EmotionMetrics(NAMES)
    steps = [metric(torch.tensor([0, 1]), torch.tensor([0, second])) for second in (1, 2)]
    for values, points in ((None, 1), (steps[0], 1), (steps, 2)):
        figure, axes = metric.plot(values)
        shown = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
        assert shown.keys() >= {"uar", "wa", "macro_f1", "recall/angry", "precision/sad"}
        assert all(len(shown[name]) == points for name in ("uar", "recall/angry"))
        plt.close(figure)
    assert metric.plot(ax=plt.figure().add_subplot())[1] is plt.gca()
    plt.close("all")
