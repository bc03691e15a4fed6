import io
import re
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from rich.console import Console

from sercl.cli import lightning
from sercl.cli.lightning import FitProgress


def trainer(**changes):
    fields = {
        "is_global_zero": True,
        "max_epochs": 20,
        "current_epoch": 4,
        "num_training_batches": 3,
        "callback_metrics": {"val/loss": torch.tensor(0.5), "val/uar": torch.tensor(0.75)},
    }
    return SimpleNamespace(**{**fields, **changes})


@pytest.fixture
def terminal(monkeypatch):
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    monkeypatch.setattr(lightning, "stderr", console)
    return console.file


@pytest.fixture
def bar():
    stopper = EarlyStopping("val/loss", patience=10)
    stopper.wait_count = 6
    return FitProgress(stopper)


def test_epochs_scores_and_patience_are_shown(terminal, bar):
    bar.on_train_start(trainer(), None)
    for _ in range(3):
        bar.on_train_batch_end(trainer())
    bar.on_train_epoch_end(trainer(), None)
    epochs, batches = bar._progress.tasks
    assert (epochs.completed, epochs.total) == (5, 20)  # a resumed run does not begin at nought
    assert (batches.completed, batches.total) == (0, 3)
    bar.on_train_end(trainer(), None)
    shown = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", terminal.getvalue())
    assert re.search(r"5/20 \d:\d\d:\d\d", shown)  # in a terminal of 80 columns, too
    assert "val/loss 0.500  val/uar 0.750  6/10 without improvement" in shown


def test_an_error_closes_the_display_first(terminal, bar):
    bar.on_train_start(trainer(), None)
    shown = bar._progress
    bar.on_exception(trainer(), None, RuntimeError())
    assert not shown.live.is_started
    bar.on_train_epoch_end(trainer(), None)  # what still comes is left alone
    bar.on_train_end(trainer(), None)


def test_training_without_an_end_has_no_total(terminal, bar):
    bar.on_train_start(trainer(max_epochs=-1, num_training_batches=float("inf")), None)
    assert [task.total for task in bar._progress.tasks] == [None, None]
    bar.on_train_end(trainer(), None)


@pytest.mark.parametrize("first", [True, False])
def test_nothing_is_drawn_without_a_terminal_or_by_another_process(first, terminal, bar, monkeypatch):
    if first:
        monkeypatch.setattr(lightning, "stderr", Console(file=terminal, force_terminal=False))
    bar.on_train_start(trainer(is_global_zero=first), None)
    bar.on_train_batch_end(trainer())
    bar.on_train_epoch_end(trainer(), None)
    bar.on_train_end(trainer(), None)
    assert terminal.getvalue() == ""
