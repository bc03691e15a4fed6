"""A run that was killed continues to the same end; the single-stage case is in test_fit.py."""

import csv
import json
import os
import re
import signal

import pytest
import torch

from sercl.cli.main import main
from sercl.data.datamodules.corpus import CorpusDataModule
from sercl.tasks.classification import EmotionClassifier
from tests.cli.words import replaced
from tests.processes import alone, killed_when
from tests.small_disk import on_a_small_disk, python


def in_second_stage(task, batch):
    """In the middle of an epoch, once the second stage has finished its first."""
    return task.trainer.default_root_dir.endswith("target") and (task.current_epoch, batch) == (1, 1)


@pytest.fixture
def words(encoder, emodb, ravdess):
    """Two stages with dropout in adapters and head, so that every random draw must be the same again."""
    return [
        "fit", "--data", "LanguagePair", "--data.setting", "two-stage", "--data.switch_epoch", "2",
        "--data.source", "EmoDB", "--data.source.root", emodb, "--data.source.loader.batch_size", "16",
        "--data.target", "RAVDESS", "--data.target.root", ravdess, "--data.target.loader.batch_size", "8",
        "--data.target.augment.noise_snr_db", "[5,20]", "--model.encoder", encoder,
        "--model.whisper_form", "short", "--model.adapter", "lora+gating", "--model.dropout", "0.2",
        "--trainer.max_epochs", "3", "--trainer.accelerator", "cpu",
    ]  # fmt: skip


def predictions(folder):
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


STUDY = ["--data.select_on", "target", "--data.continue_from", "last", "--data.epoch_budget", "shared"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("switch", "more", "left"), [("2", [], {1, 2}), ("1", STUDY, {1})], ids=["own", "study"]
)
def test_a_run_killed_in_its_second_stage_resumes_to_the_same_end(
    words, switch, more, left, tmp_path, monkeypatch
):
    words = [*replaced(words, "--data.switch_epoch", switch), *more]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    ended = alone([*words, "--out", str(killed)], tmp_path / "said", killed_when(in_second_stage))
    assert ended.code == -9, ended.err
    assert (killed / "source" / "stage.json").exists()
    assert not (killed / "target" / "stage.json").exists()
    source = (killed / "source" / "best.ckpt").stat().st_mtime_ns
    assert main([*words, "--out", str(whole)]) == 0

    steps, step = [], EmotionClassifier.training_step

    def counted(task, batch, index):
        steps.append((task.trainer.default_root_dir, task.current_epoch))
        return step(task, batch, index)

    monkeypatch.setattr(EmotionClassifier, "training_step", counted)
    assert main([*words, "--out", str(killed), "--resume"]) == 0
    # The first stage is not run again, and of the second only what was not finished.
    assert {epoch for _, epoch in steps} == left
    assert {root for root, _ in steps} == {str(killed / "target")}
    assert (killed / "source" / "best.ckpt").stat().st_mtime_ns == source

    resumed, straight = (
        torch.load(folder / "target" / "last.ckpt", weights_only=True) for folder in (killed, whole)
    )
    assert resumed["global_step"] == straight["global_step"]
    for name, value in straight["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], value), name
    assert predictions(killed) == predictions(whole)
    for name in ("predictions-source-before.csv", "predictions-source-after.csv"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    stages = [json.loads((folder / "results.json").read_text())["stages"] for folder in (killed, whole)]
    for after, before in zip(*stages, strict=True):
        assert (after["epoch"], after["epochs"], after["score"]) == (
            before["epoch"], before["epochs"], before["score"],
        )  # fmt: skip


@pytest.fixture(scope="module")
def whole_run(fit_words, tmp_path_factory):
    """Folder of a run that nothing has ended."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert main([*fit_words, "--model.layer", "1", "--out", str(folder)]) == 0
    return folder


FULL = """
import sys
from pathlib import Path
from sercl.cli.main import main

def run(*more):
    code = main([*sys.argv[1:], *more])
    left = sorted(path.name for path in Path("disk").rglob("*.ckpt"))
    print("exit", code, *left, *(path.name for path in Path("disk").rglob(".best-*")))


run()
Path("disk/filled").unlink()
run("--resume")
"""


@pytest.mark.slow
def test_a_training_that_fills_the_disk_goes_on_once_there_is_room(encoder, emodb, tmp_path):
    words = [
        "fit", "--data", "EmoDB", "--data.root", emodb, "--model.encoder", encoder,
        "--model.whisper_form", "short", "--model.adapter", "lora", "--trainer.max_epochs", "3",
        "--trainer.accelerator", "cpu", "--out", "disk/run",
    ]  # fmt: skip
    run = " ".join([python(tmp_path, "full.py", FULL), *words])
    fill = "head -c 900000 /dev/zero > disk/filled"
    said = on_a_small_disk(tmp_path, fill, run)
    assert "exit 1" in said
    assert "exit 0 best.ckpt last.ckpt\n" in said
    full = r"disk/run/\w+\.ckpt: cannot be written \(No space left .* the disk at .*/disk has 0 B"
    assert re.search(full, said)


def stopped(number):
    def stop():
        os.kill(os.getpid(), number)

    return stop


def broken():
    raise RuntimeError("no more")


ENDS = {
    "Ctrl-C": (stopped(signal.SIGINT), 130, "stopped by Ctrl-C. The run in"),
    "SIGTERM": (stopped(signal.SIGTERM), 143, "stopped by SIGTERM, as the system"),
    "SIGUSR1": (stopped(signal.SIGUSR1), 75, "stopped by SIGUSR1, as the system"),
    "error": (broken, 1, "unexpected RuntimeError: no more"),
}


@pytest.mark.parametrize("method", ["training_step", "test_step"])
@pytest.mark.parametrize("end", ENDS)
def test_what_ended_a_run_is_recorded_and_it_goes_on(
    end, method, fit_words, tmp_path, monkeypatch, capsys, whole_run
):
    stop, code, said = ENDS[end]
    before = getattr(EmotionClassifier, method)

    def stopping(task, *args):
        if method == "test_step" or task.current_epoch == 1:
            stop()
        return before(task, *args)

    words, folder = [*fit_words, "--model.layer", "1", "--out", str(tmp_path / "run")], tmp_path / "run"
    # Background jobs of a shell ignore Ctrl-C, also when the tests are one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patched:
        patched.setattr(EmotionClassifier, method, stopping)
        assert main(words) == code
    signal.signal(signal.SIGINT, handlers[1])  # Lightning leaves Ctrl-C without effect
    assert signal.getsignal(signal.SIGTERM) == handlers[0]
    errors = capsys.readouterr().err
    assert f"error: {said}" in errors
    assert errors.count("error: ") == 1
    ended = json.loads((folder / "ended.json").read_text())
    assert ended["ended_by"] == end
    assert ended["message"].startswith(said.split(". ")[0])
    assert main(words) == 2
    assert f"a run that was ended by {end}. Continue it with --resume" in capsys.readouterr().err

    assert main([*words, "--resume"]) == 0
    assert f"Continuing a run that was ended by {end}." in capsys.readouterr().err
    assert not (folder / "ended.json").exists()
    assert predictions(folder) == predictions(whole_run)
    assert json.loads((folder / "results.json").read_text())["stages"][0]["ended_by"] == "epoch limit"


def test_a_run_that_ends_before_it_has_begun_leaves_nothing(fit_words, tmp_path, monkeypatch):
    monkeypatch.setattr(CorpusDataModule, "setup", lambda *_: stopped(signal.SIGTERM)())
    assert main([*fit_words, "--out", str(tmp_path / "run")]) == 143
    assert not (tmp_path / "run").exists()


SCHEDULES = {
    "one-cycle": ["--model.optimizer.schedule", "one-cycle", "--model.optimizer.algorithm", "sgd",
                  "--model.optimizer.algorithm.init_args.momentum", "0.9"],
    "plateau": ["--model.optimizer.schedule", "plateau", "--model.optimizer.schedule.init_args.patience", "0",
                "--model.optimizer.schedule.init_args.threshold", "0.9"],
    "newbob": ["--model.optimizer.schedule", "newbob",
               "--model.optimizer.schedule.init_args.threshold", "2.0"],
}  # fmt: skip
"""plateau and newbob lower the rates in every epoch but the first with these thresholds."""


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_with_a_state_resume_to_the_same_end(schedule, fit_words, tmp_path, monkeypatch):
    words = [*fit_words, "--model.layer", "1", *SCHEDULES[schedule]]
    before = EmotionClassifier.training_step

    def stopping(task, *args):
        if task.current_epoch == 2:
            raise RuntimeError("no more")
        return before(task, *args)

    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    with monkeypatch.context() as patched:
        patched.setattr(EmotionClassifier, "training_step", stopping)
        assert main([*words, "--out", str(tmp_path / "run")]) == 1
    longer = replaced(["fit", *words[1:]], "--trainer.max_epochs", "4")
    code = main([*longer, "--out", str(tmp_path / "run"), "--resume"])
    if schedule == "one-cycle":  # its rates follow from the length of training
        assert code == 2
        assert main([*words, "--out", str(tmp_path / "run"), "--resume"]) == 0
        whole = tmp_path / "whole"
    else:
        assert code == 0
        whole = tmp_path / "longer"
        assert main([*longer, "--out", str(whole)]) == 0
    ends = [torch.load(each / "last.ckpt", weights_only=True) for each in (whole, tmp_path / "run")]
    for name, value in ends[0]["state_dict"].items():
        assert torch.equal(ends[1]["state_dict"][name], value), name
    assert ends[0]["lr_schedulers"] == ends[1]["lr_schedulers"]
    rates = [end["optimizer_states"][0]["param_groups"][0]["lr"] for end in ends]
    assert rates[0] == rates[1] != 1e-3
