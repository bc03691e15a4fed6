"""Every command that trains or evaluates gives in two processes what it gives in one.

Exactly, where nothing but the division of the work differs: test, validate, layer-probe, and a run that goes
on. Training sums the same gradients in another order, so that weights agree to the rounding of float32; what
is chosen by them (epoch, layer, end of training) is the same. Dropout is off in these: processes draw it for
batches of their own, so that it differs as it does with another seed.
"""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sercl.cli.main import main
from sercl.tasks.classification import EmotionClassifier
from sercl.testing.encoders import tiny_encoder
from tests.processes import launched, rank_of_process

TWO = ["--trainer.devices", "2", "--trainer.strategy", "ddp"]
HALVES = ["--trainer.accumulate_grad_batches", "2"]
"""One process that joins two batches, as two processes do that have one each."""
TWO_BATCHES = ["--data.loader.batch_size", "24"]
"""Of training: one for each process."""
NO_DROPOUT = ["--model.adapters.lora.dropout", "0"]


def fit(words, out):
    """Run a command as a person does, and return what it printed."""
    ended = subprocess.run(
        [sys.executable, "-m", "sercl", *words, "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def in_two(words, out):
    """Run a command in two processes that are forked from this one."""
    ended = launched([*words, "--out", str(out)], Path(f"{out}-said"))
    assert ended.code == 0, ended.err
    return ended.out


def in_one(words, out):
    assert main([*words, "--out", str(out)]) == 0


def read(folder, name="results.json"):
    return json.loads((folder / name).read_text())


def rows(folder, name="predictions.csv"):
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def assert_same_weights(one, two, rtol=1e-4, atol=1e-5):
    single, double = (torch.load(path, weights_only=True)["state_dict"] for path in (one, two))
    assert single.keys() == double.keys()
    for name, value in single.items():
        torch.testing.assert_close(double[name], value, rtol=rtol, atol=atol, msg=name)


def assert_same_training(one, two):
    """Stages ended and chose alike, and left the same weights."""
    stages = [read(folder)["stages"] for folder in (one, two)]
    for first, second in zip(*stages, strict=True):
        for key in ("stage", "monitor", "epoch", "epochs", "stopped_early", "chosen_state"):
            assert first[key] == second[key], key
        assert second["score"] == pytest.approx(first["score"], rel=1e-4)
        assert_same_weights(first["checkpoint"], second["checkpoint"])


@pytest.fixture(scope="module")
def plain_words(fit_words):
    """A run in whose batches durations play no part."""
    return [*fit_words, "--data.loader.batch_seconds", "0"]


@pytest.fixture(scope="module")
def tuned(plain_words, tmp_path_factory):
    """A run of one process whose test reads audio."""
    folder = tmp_path_factory.mktemp("tuned") / "run"
    words = ["--model.adapter", "lora", "--model.class_weights", "balanced", "--data.loader.batch_size", "5"]
    in_one([*plain_words, *words, "--trainer.max_epochs", "1"], folder)
    return folder


@pytest.mark.slow
def test_two_processes_train_one_model_on_the_same_data(plain_words, tmp_path):
    words = [*plain_words, *TWO_BATCHES, "--model.adapter", "gating", "--model.layer", "2"]
    words += ["--trainer.max_epochs", "2"]
    one, two = tmp_path / "one", tmp_path / "two"
    in_one([*words, *HALVES], one)
    said = fit([*words, *TWO], two)
    assert said.count("Results: EmoDB") == 1
    assert said.count("Note: each step takes a batch on each of 2 devices") == 1
    assert_same_training(one, two)
    assert [row["utterance"] for row in rows(one)] == [row["utterance"] for row in rows(two)]
    # Every test utterance is there once, though each process has tested a part of them.
    expected = sorted(Path(row["file"]).stem for row in rows(two, "folds/test.csv"))
    assert [row["utterance"] for row in rows(two)] == expected
    assert list(two.rglob("results.json")) == [two / "results.json"]
    assert read(two)["environment"]["command"].startswith("sercl fit --data EmoDB")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "alone"),
    [
        # A batch of all clips: each process computes one half of it.
        (["--model.layer", "auto", "--data.loader.batch_size", "48"], []),
        # Patience ends it, and by the same epoch everywhere.
        (
            [
                *(
                    "--model.layer",
                    "auto",
                    "--model.optimizer.head_lr",
                    "3",
                    "--early_stopping.patience",
                    "1",
                ),
                *("--preprocess.trim", "none", "--preprocess.loudness", "none"),
            ],
            HALVES,
        ),
        (["--model.adapter", "lora", *NO_DROPOUT, "--model.class_weights", "balanced"], HALVES),
        (["--model.adapter", "full", "--model.layer", "weighted"], HALVES),
        (["--model.adapter", "gating", "--model.layer", "1", "--model.last_block", "2"], HALVES),
        (["--model.adapter", "gating", "--model.head_first", "true", "--trainer.max_epochs", "2"], HALVES),
    ],
    ids=["frozen", "stopped", "lora", "full", "blocks above the layer", "head first"],
)
def test_every_way_of_training_gives_the_same(more, alone, plain_words, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    words = [*plain_words, *more, *([] if "--data.loader.batch_size" in more else TWO_BATCHES)]
    in_one([*words, *alone], one)
    in_two(words, two)
    assert_same_training(one, two)
    if "--early_stopping.patience" in more:
        assert read(two)["stages"][0]["stopped_early"]
        assert read(two)["stages"][0]["epochs"] < 100


@pytest.mark.slow
def test_adapters_that_run_faster_on_the_processor_give_the_same(emodb, tmp_path):
    # States below the first adapter are kept from epoch to epoch, by each process for the clips that it gets.
    words = [
        "fit", "--data", "EmoDB", "--data.root", emodb, "--data.loader.batch_seconds", "0", *TWO_BATCHES,
        "--model.encoder", str(tiny_encoder("wav2vec2", tmp_path / "encoder")), "--model.last_block", "1",
        "--model.adapter", "lora+bottleneck+gating", *NO_DROPOUT,
        "--trainer.max_epochs", "3", "--trainer.accelerator", "cpu",
    ]  # fmt: skip
    in_one([*words, *HALVES], tmp_path / "one")
    in_two(words, tmp_path / "two")
    assert_same_training(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_two_stages_give_the_same(encoder, emodb, ravdess, tmp_path):
    words = [
        "fit", "--data", "LanguagePair", "--data.setting", "two-stage", "--data.switch_epoch", "1",
        "--data.source", "EmoDB", "--data.source.root", emodb, "--data.source.loader.batch_size", "24",
        "--data.target", "RAVDESS", "--data.target.root", ravdess, "--data.target.loader.batch_size", "24",
        "--data.source.loader.batch_seconds", "0", "--data.target.loader.batch_seconds", "0",
        "--model.encoder", encoder, "--model.whisper_form", "short", "--model.adapter", "gating",
        "--trainer.max_epochs", "2", "--trainer.accelerator", "cpu",
    ]  # fmt: skip
    in_one([*words, *HALVES], tmp_path / "one")
    in_two(words, tmp_path / "two")
    assert_same_training(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
@pytest.mark.parametrize("part", ["test", "validate"])
def test_a_checkpoint_is_scored_exactly_alike(part, tuned, tmp_path):
    words = [part, "--ckpt", str(tuned / "best.ckpt")]
    one, two = tmp_path / "one", tmp_path / "two"
    in_one(words, one)
    # 16 clips in batches of 5: a batch is cut in two, so that both processes get two.
    said = fit([*words, *TWO], two) if part == "test" else in_two(words, two)
    assert said.count("Results: EmoDB") == 1
    assert read(one)["scores"] == read(two)["scores"]
    assert (one / "predictions.csv").read_bytes() == (two / "predictions.csv").read_bytes()


@pytest.mark.slow
def test_layers_are_probed_exactly_alike(encoder, emodb, tmp_path):
    words = [
        "layer-probe", "--encoder", encoder, "--data", "EmoDB", "--data.root", emodb,
        "--model.whisper_form", "short", "--probe.max_epochs", "2",
        "--probe.control", "false", "--trainer.accelerator", "cpu", "--features.batch_seconds", "4",
        "--no-cache",
    ]  # fmt: skip
    one, two = tmp_path / "one", tmp_path / "two"
    in_one(words, one)
    said = in_two(words, two)
    assert said.count("Figure and tables are in") == 1
    for name in ("layers.csv", "probes.csv"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


@pytest.mark.slow
def test_a_diarizer_is_trained_and_scored_alike(encoder, emodb, tmp_path):
    words = [
        "diarize", "fit", "--data", "EmoDB", "--data.root", emodb, "--data.clips.voice", "none",
        "--data.clips.min_piece", "0.05", "--data.loader.batch_size", "9", "--data.loader.batch_seconds", "0",
        "--model.encoder", encoder, "--model.whisper_form", "short", "--model.class_weights", "balanced",
        "--trainer.max_epochs", "2", "--trainer.accelerator", "cpu",
    ]  # fmt: skip
    one, two, again = (tmp_path / name for name in ("one", "two", "again"))
    in_one([*words, *HALVES], one)
    said = fit([*words, *TWO], two)
    assert said.count("Everything is in") == 1
    assert_same_training(one, two)
    systems = [read(folder)["systems"] for folder in (one, two)]
    for first, second in zip(*systems, strict=True):
        assert second["scores"]["eder"]["value"] == pytest.approx(first["scores"]["eder"]["value"], abs=1e-6)
    in_one(["diarize", "evaluate", str(two / "best.ckpt")], again)
    assert read(again)["systems"] == read(two)["systems"]


@pytest.mark.slow
def test_a_run_goes_on_to_the_same_weights(plain_words, tmp_path):
    # Each process must draw on from where it was: how much it draws depends on the lengths of its clips.
    words = [
        *plain_words,
        "--model.adapter",
        "lora",
        "--model.dropout",
        "0.3",
        "--data.loader.batch_size",
        "8",
    ]
    for name, rate in (("dropout", 0.2), ("spec_augment", 0.3), ("layer_drop", 0.3)):
        words += [f"--model.regularization.{name}", str(rate)]
    words += ["--data.augment.speed", "[0.6,1.5]"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    in_two(words, whole)

    def kill():
        step = EmotionClassifier.training_step

        def killing(task, batch, index):
            if rank_of_process() == 1 and (task.current_epoch, index) == (2, 1):
                os.kill(os.getpid(), signal.SIGKILL)
            return step(task, batch, index)

        EmotionClassifier.training_step = killing

    ended = launched([*words, "--out", str(killed)], tmp_path / "said", kill)
    assert ended.code == 1
    in_two([*words, "--resume"], killed)
    assert_same_weights(whole / "last.ckpt", killed / "last.ckpt", rtol=0, atol=0)
    assert rows(killed) == rows(whole)
