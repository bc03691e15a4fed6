"""A training that is asked to stop ends after the batch that it is at, and goes on from there."""

import csv
import json
import os
import signal

import pytest
import torch
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from sercl.cli.main import main
from sercl.tasks.classification import EmotionClassifier

USR1, TERM = signal.SIGUSR1, signal.SIGTERM
EPOCHS = 2


def last(folder):
    return torch.load(folder / "last.ckpt", weights_only=True)


def assert_same_end(run, whole):
    """Weights, random numbers, results and logged means are those of a run that nothing stopped."""
    ends = [last(folder) for folder in (run, whole)]
    for name, value in ends[1]["state_dict"].items():
        assert torch.equal(ends[0]["state_dict"][name], value), name
    assert ends[0]["global_step"] == ends[1]["global_step"]
    assert torch.equal(*(end["callbacks"]["RandomState"]["torch"] for end in ends))
    assert (run / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()
    stages = [json.loads((folder / "results.json").read_text())["stages"][0] for folder in (run, whole)]
    for key in ("score", "epoch", "epochs", "ended_by"):
        assert stages[0][key] == stages[1][key], key
    assert logged(run) == logged(whole)


def logged(folder):
    """Return epoch and name -> value of every mean over an epoch, from the logs of all sessions."""
    found = {}
    for path in sorted(folder.rglob("metrics.csv")):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                values = {key: value for key, value in row.items() if "/" in key and value}
                found |= {(row["epoch"], key): near(value) for key, value in values.items()}
    return found


def near(value):
    return pytest.approx(float(value), rel=1e-6, nan_ok=True)


def stopping(monkeypatch, method, epoch, batch, number):
    """Send a signal to this process once, in a step of the model."""
    before = getattr(EmotionClassifier, method)

    def patched(task, item, index):
        if (task.current_epoch, index) == (epoch, batch):
            os.kill(os.getpid(), number)
        return before(task, item, index)

    monkeypatch.setattr(EmotionClassifier, method, patched)


@pytest.fixture(scope="module")
def words(fit_words):
    """Five batches an epoch, with random numbers in every step."""
    return [
        *fit_words, "--trainer.max_epochs", str(EPOCHS), "--data.loader.batch_size", "10",
        "--data.loader.batch_seconds", "0", "--model.adapter", "lora", "--model.dropout", "0.2",
        "--preprocess.trim", "none", "--preprocess.loudness", "none",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def whole(words, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert main([*words, "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize(
    ("method", "epoch", "batch", "number", "code"),
    [
        ("training_step", 0, 1, USR1, 75),
        ("training_step", 1, 4, TERM, 143),  # of the last batch: the validation follows
        ("validation_step", 0, 0, USR1, 75),
    ],
    ids=["in an epoch", "at its end", "in the validation"],
)
def test_a_run_goes_on_from_the_batch_after_which_it_was_stopped(
    method, epoch, batch, number, code, words, whole, tmp_path, monkeypatch, capsys
):
    run = tmp_path / "run"
    with monkeypatch.context() as patched:
        stopping(patched, method, epoch, batch, number)
        assert main([*words, "--out", str(run)]) == code
    assert f"stopped by {signal.Signals(number).name}" in capsys.readouterr().err
    steps, step = [], EmotionClassifier.training_step

    def counted(task, item, index):
        steps.append((task.current_epoch, index))
        return step(task, item, index)

    monkeypatch.setattr(EmotionClassifier, "training_step", counted)
    assert main([*words, "--out", str(run), "--resume"]) == 0
    per_epoch = last(whole)["global_step"] // EPOCHS
    done = epoch * per_epoch + (batch + 1 if method == "training_step" else per_epoch)
    every = [divmod(position, per_epoch) for position in range(EPOCHS * per_epoch)]
    assert steps == every[done:]
    assert_same_end(run, whole)


@pytest.mark.parametrize("second", ["training_step", "validation_step"])
def test_a_run_that_went_on_in_a_validation_may_be_stopped_in_the_next_epoch(
    second, words, whole, tmp_path, monkeypatch
):
    run, more = tmp_path / "run", []
    for method, epoch in (("validation_step", 0), (second, 1)):
        with monkeypatch.context() as patched:
            stopping(patched, method, epoch, 0, TERM)
            assert main([*words, "--out", str(run), *more]) == 143
        more = ["--resume"]
    assert main([*words, "--out", str(run), *more]) == 0
    assert_same_end(run, whole)


@pytest.mark.parametrize("closing", [1, 2])
def test_a_signal_while_a_log_is_closed_stops_the_command(closing, fit_words, tmp_path, monkeypatch, capsys):
    close, closed = EventFileWriter.close, []

    def interrupted(writer):
        close(writer)
        closed.append(writer)
        if len(closed) == closing:
            os.kill(os.getpid(), TERM)

    monkeypatch.setattr(EventFileWriter, "close", interrupted)
    words = [*fit_words, "--trainer.max_epochs", "1", "--out", str(tmp_path / "run")]
    assert main(words) == 143
    errors = capsys.readouterr().err
    assert errors.count("error: ") == 1
    assert "error: stopped by SIGTERM" in errors
