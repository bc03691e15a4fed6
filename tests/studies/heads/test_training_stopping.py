import math

import pytest
import torch
from torch import Tensor

from sercl.models.heads import build_head
from sercl.models.stacked import StackedProbe
from sercl.studies.heads.config import ProbeConfig
from sercl.studies.heads.training import Stopping, Validation

CPU = torch.device("cpu")


def run(curves: list[list[tuple[float, float]]], **options: object) -> tuple[Stopping, Tensor]:
    """Let probes go through (loss, accuracy) per epoch; the weights of epoch k are all k + 1."""
    config = ProbeConfig(**{"patience": 2, "max_epochs": len(curves[0]), **options})  # type: ignore[arg-type]
    probe = StackedProbe([build_head("linear", 2, 2) for _ in curves])
    record = Stopping.start(probe, config, CPU)
    alive = torch.arange(len(curves))
    for epoch in range(config.max_epochs):
        with torch.no_grad():
            for parameter in probe.parameters():
                parameter.fill_(epoch + 1)
        loss, accuracy = torch.tensor([curves[int(i)][epoch] for i in alive], dtype=torch.float64).T
        going = record.note(Validation(loss, accuracy, accuracy), probe, alive, epoch)
        probe.keep(going.nonzero().flatten())
        alive = alive[going]
        if not len(alive):
            break
    record.restore(probe)
    return record, next(probe.parameters())[:, 0, 0]


FALLING = [(3, 0.1), (2, 0.5), (1, 0.4), (0.5, 0.5), (0.4, 0.3)]
RISING = [(1, 0.2), (1, 0.9), (1.5, 0.9), (0.1, 1.0), (0.1, 1.0)]


def test_patience_and_the_limit() -> None:
    record, _ = run([FALLING, RISING])
    assert record.epochs.tolist() == [5, 3]  # an equal loss is no lower one
    assert record.exhausted.tolist() == [False, True]


@pytest.mark.parametrize(("select", "epochs"), [("loss", [4, 0]), ("accuracy", [1, 1]), ("uar", [1, 1])])
def test_the_best_epoch_is_restored_the_first_of_equals(select: str, epochs: list[int]) -> None:
    record, weights = run([FALLING, RISING], select=select)
    assert record.best_epoch.tolist() == epochs
    assert weights.tolist() == [epoch + 1 for epoch in epochs]
    assert record.best.loss.tolist() == [FALLING[epochs[0]][0], RISING[epochs[1]][0]]
    assert record.best.accuracy.tolist() == [FALLING[epochs[0]][1], RISING[epochs[1]][1]]


def test_patience_that_runs_out_in_the_last_epoch_is_no_limit() -> None:
    record, _ = run([RISING[:3]])
    assert record.exhausted.tolist() == [True]


def test_a_probe_that_diverges_stops_with_what_it_had() -> None:
    nan = math.nan
    record, weights = run([[(1, 0.5), (nan, 0.2), (nan, 0.2)], [(nan, 0.3), (nan, 0.3), (1, 0.3)]])
    assert record.epochs.tolist() == [3, 2]
    assert record.best_epoch.tolist() == [0, 0]
    assert weights.tolist() == [1, 1]
