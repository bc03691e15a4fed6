import matplotlib.pyplot as plt
import pytest
import torch

from sercl.corpora.base import Segment
from sercl.errors import UsageError
from sercl.metrics.eder import DiarizationMetrics
from sercl.metrics.functional import eder as functional
from tests.processes import gathered

CLASSES = ("angry", "happy", "neutral", "sad")
RECORDINGS = [
    ([Segment(1, 2, "sad")], [Segment(1.2, 2.5, "sad")], 4.0),
    ([], [Segment(0, 1, "angry")], 3.0),
    ([Segment(0, 2, "happy"), Segment(3, 4, "angry")], [], 8.0),
]


def test_it_holds_what_the_functions_compute():
    metrics = DiarizationMetrics(CLASSES)
    for recording in RECORDINGS:
        metrics.update(*recording)
    confusions = torch.stack([functional.time_confusion(*recording, CLASSES) for recording in RECORDINGS])
    matched = []
    for recording in RECORDINGS:
        errors, events, found = functional.boundaries(*recording)
        matched.append([sum(errors), len(errors), events, found])
    expected = functional.scores(confusions, torch.tensor(matched), CLASSES)
    found = metrics.compute()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name].double(), value.double(), equal_nan=True, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("parts", [[[0], [1, 2]], [[2, 0, 1], []], [[1], [0], [2]]])
def test_processes_are_joined_recording_by_recording(parts, tmp_path):
    def part(rank):
        metrics = DiarizationMetrics(CLASSES)
        for number in parts[rank]:
            metrics.update(*RECORDINGS[number])
        found = {name: value.item() for name, value in metrics.compute().items()}
        return found, len(metrics.rows)  # the process's own again, not those of all

    whole = DiarizationMetrics(CLASSES)
    for recording in RECORDINGS:
        whole.update(*recording)
    expected = {name: value.item() for name, value in whole.compute().items()}
    found = gathered(part, tmp_path, len(parts))
    assert [own for _, own in found] == [len(own) for own in parts]
    for scores, _ in found:
        assert scores == pytest.approx(expected, abs=0, rel=0, nan_ok=True)  # whoever has seen which


def test_the_tail_can_count():
    strict = DiarizationMetrics(CLASSES, uncovered="error")
    strict.update([], [Segment(0, 1, "neutral")], 2.0)
    assert strict.compute()["eder"].item() == pytest.approx(0.5)


@pytest.mark.filterwarnings("ignore:The ``compute`` method:UserWarning")
def test_nothing_seen_is_an_error_and_reset_forgets():
    metrics = DiarizationMetrics(CLASSES)
    metrics.update(*RECORDINGS[0])
    metrics.reset()
    with pytest.raises(UsageError, match="no recording"):
        metrics.compute()


def test_scores_are_drawn_by_name():
    metrics = DiarizationMetrics(CLASSES)
    for recording in RECORDINGS:
        metrics.update(*recording)
    figure, axes = metrics.plot()
    assert {line.get_label() for line in axes.get_lines()} == set(metrics.compute())
    plt.close(figure)
