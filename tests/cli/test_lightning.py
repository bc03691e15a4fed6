import csv
import sys

import pytest
import torch

from sercl.cli.lightning import Cli
from sercl.cli.main import main
from sercl.tasks.callbacks import LastEpoch
from sercl.tasks.classification import EmotionClassifier


@pytest.fixture
def cli(fit_words, monkeypatch):
    """Parse a small fit with further words, and run nothing."""

    def parse(*words):
        monkeypatch.setattr(sys, "argv", ["sercl fit", *fit_words[1:], *words])
        return Cli("fit")

    return parse


def probabilities(folder):
    with (folder / "predictions.csv").open(newline="") as file:
        return {
            row["utterance"]: [float(row[f"p_{name}"]) for name in ("angry", "sad")]
            for row in csv.DictReader(file)
        }


def test_every_stage_has_callbacks_of_its_own(cli, tmp_path):
    built = cli("--trainer.callbacks+=LearningRateMonitor")
    first, second = (built.build_trainer(tmp_path / name) for name in ("a", "b"))
    assert not {id(callback) for callback in first.callbacks} & {
        id(callback) for callback in second.callbacks
    }
    assert first.checkpoint_callback.dirpath == str(tmp_path / "a")
    assert first.early_stopping_callback.patience == 10
    assert {"LearningRateMonitor", "RandomState", "LastEpoch"} <= {
        type(item).__name__ for item in first.callbacks
    }


def test_options_reach_early_stopping_and_checkpoints(cli, tmp_path):
    words = ["--early_stopping.patience", "3", "--checkpoint.monitor", "val/uar", "--checkpoint.mode", "max"]
    trainer = cli(*words).build_trainer(tmp_path)
    assert trainer.early_stopping_callback.patience == 3
    assert (trainer.checkpoint_callback.monitor, trainer.checkpoint_callback.mode) == ("val/uar", "max")


@pytest.mark.parametrize(("own", "of_stage", "limit"), [("3", None, 3), ("3", 2, 2), ("3", 7, 3)])
def test_the_lower_epoch_limit_holds(cli, tmp_path, own, of_stage, limit):
    assert cli("--trainer.max_epochs", own).build_trainer(tmp_path, of_stage).max_epochs == limit


def test_a_trainer_without_a_folder_writes_nothing(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trainer = cli().build_trainer()
    assert (trainer.loggers, trainer.checkpoint_callback) == ([], None)
    assert list(tmp_path.iterdir()) == []


def test_a_logger_of_the_users_choice_replaces_ours(cli, tmp_path):
    assert {type(logger).__name__ for logger in cli().build_trainer(tmp_path).loggers} == {
        "CSVLogger",
        "TensorBoardLogger",
    }
    assert cli("--trainer.logger", "false").build_trainer(tmp_path).loggers == []


def test_what_belongs_to_one_call_is_not_saved(cli, tmp_path):
    cli("--out", str(tmp_path), "--overwrite", "--json").save_config(tmp_path / "config.yaml")
    text = (tmp_path / "config.yaml").read_text()
    assert "class_path: sercl.data.datamodules.EmoDB" in text
    assert not {line.split(":")[0] for line in text.splitlines()} & {"out", "overwrite", "json", "resume"}


def test_a_run_is_resumed_from_its_newest_epoch_not_from_its_best(fit_words, tmp_path, monkeypatch):
    # By this choice the first epoch is the best and stays so.
    words = [*fit_words, "--checkpoint.monitor", "epoch", "--model.layer", "1", "--out", str(tmp_path)]
    assert main([*words, "--trainer.max_epochs", "3"]) == 0
    best, last = (torch.load(tmp_path / f"{name}.ckpt", weights_only=True) for name in ("best", "last"))
    assert (best["epoch"], last["epoch"]) == (0, 2)
    (tmp_path / "stage.json").unlink()
    epochs, step = [], EmotionClassifier.training_step

    def counted(task, batch, index):
        epochs.append(task.current_epoch)
        return step(task, batch, index)

    monkeypatch.setattr(EmotionClassifier, "training_step", counted)
    assert main([*words, "--trainer.max_epochs", "4", "--resume"]) == 0
    assert set(epochs) == {3}
    # The best epoch is remembered over the resume.
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] == 0


def test_the_newest_epoch_is_kept_on_request_only(cli, tmp_path):
    trainer = cli("--checkpoint.save_last", "false").build_trainer(tmp_path)
    assert not any(isinstance(callback, LastEpoch) for callback in trainer.callbacks)


@pytest.mark.parametrize("adapter", ["none", "lora+bottleneck+gating"])
def test_mixed_precision_runs_and_is_near_to_full(adapter, fit_words, tmp_path):
    words = [*fit_words, "--model.adapter", adapter, "--model.layer", "2", "--trainer.max_epochs", "1"]
    assert main([*words, "--out", str(tmp_path / "full")]) == 0
    assert main([*words, "--trainer.precision", "bf16-mixed", "--out", str(tmp_path / "mixed")]) == 0
    full, mixed = probabilities(tmp_path / "full"), probabilities(tmp_path / "mixed")
    assert full != mixed
    for name, values in full.items():
        assert mixed[name] == pytest.approx(values, abs=0.02)
