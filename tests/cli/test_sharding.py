"""Training with weights distributed over processes (FSDP) is the training of one process."""

import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

import sercl
from sercl.cli.main import main
from sercl.tasks.classification import EmotionClassifier
from tests.cli.test_processes import HALVES, NO_DROPOUT, TWO_BATCHES, assert_same_training, rows
from tests.processes import launched, rank_of_process

FSDP = ("--trainer.strategy", "fsdp")
SHORT = ["--trainer.max_epochs", "2", "--data.loader.batch_seconds", "0"]
CLIPPED = ["--trainer.gradient_clip_val", "0.5"]


def sharded(words, out, prepare=lambda: None):
    ended = launched([*words, "--out", str(out)], Path(f"{out}-said"), prepare, FSDP)
    assert ended.code == 0, ended.err
    return ended.out


def noting_shares(path):
    """Return what makes the second process write down how much of the encoder it holds after a step."""

    def prepare():
        step = EmotionClassifier.training_step

        def noting(task, batch, index):
            if rank_of_process() == 1:
                held = sum(weight.to_local().numel() for weight in task.encoder.blocks.parameters())
                total = sum(weight.numel() for weight in task.encoder.blocks.parameters())
                path.write_text(str(held / total))
            return step(task, batch, index)

        EmotionClassifier.training_step = noting

    return prepare


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        ["--model.adapter", "full", "--model.layer", "weighted", "--model.regularization.dropout", "0"],
        ["--model.adapter", "lora+bottleneck+gating", *NO_DROPOUT, "--model.gradient_checkpointing", "true",
         "--model.layer", "2", "--model.last_block", "2"],
    ],
    ids=["full", "adapters"],
)  # fmt: skip
def test_two_processes_with_a_part_of_all_weights_each_train_the_same(more, fit_words, tmp_path):
    one, two, share = (tmp_path / name for name in ("one", "two", "share"))
    words = [*fit_words, *SHORT, *CLIPPED, *TWO_BATCHES, *more]
    assert main([*words, *HALVES, "--out", str(one)]) == 0
    said = sharded(words, two, noting_shares(share))
    assert said.count("Results: EmoDB") == 1
    assert 0.4 < float(share.read_text()) < 0.6
    assert_same_training(one, two)
    assert [row["utterance"] for row in rows(one)] == [row["utterance"] for row in rows(two)]
    assert (two / "adapter").exists() == ("lora" in more[1])


def asked_to_stop():
    """Send a signal to the second process alone, in a step of the second epoch."""
    step = EmotionClassifier.training_step

    def stopping(task, batch, index):
        if rank_of_process() == 1 and (task.current_epoch, index) == (1, 0):
            os.kill(os.getpid(), signal.SIGUSR1)
        return step(task, batch, index)

    EmotionClassifier.training_step = stopping


@pytest.mark.slow
def test_what_it_saves_is_read_as_that_of_any_training(fit_words, emodb, tmp_path):
    words = [*fit_words, *SHORT, "--data.loader.batch_size", "12", "--model.adapter", "lora", *NO_DROPOUT]
    whole, run, said = (tmp_path / name for name in ("whole", "run", "said"))
    sharded(words, whole)
    ended = launched([*words, "--out", str(run)], said, asked_to_stop, FSDP)
    assert ended.code == 75, ended.err
    assert ended.err.count("error: ") == 1
    plain = shutil.copytree(run, tmp_path / "plain")
    sharded([*words, "--resume"], run)
    assert_same_training(whole, run)
    # Also with the whole model in each process, which takes over weights and optimiser states.
    assert launched([*words, "--resume", "--out", str(plain)], tmp_path / "plain-said").code == 0
    assert_same_training(whole, plain)
    assert rows(run) == rows(whole)
    row = rows(run)[0]
    [answer] = sercl.load(run / "best.ckpt").predict([min(Path(emodb).rglob(f"{row['utterance']}.wav"))])
    for name, value in answer.probabilities.items():
        assert value == pytest.approx(float(row[f"p_{name}"]), abs=1e-4)
    # Without the frozen encoder, and with optimiser states in the usual format.
    stored = torch.load(run / "last.ckpt", weights_only=True)
    assert not any("base_layer" in name for name in stored["state_dict"])
    group = stored["optimizer_states"][0]["param_groups"]
    assert sorted(stored["optimizer_states"][0]["state"]) == sorted(
        i for each in group for i in each["params"]
    )


AVERAGING = [
    "--trainer.callbacks",
    '[{"class_path": "StochasticWeightAveraging", "init_args": {"swa_lrs": 0.01}}]',
]


@pytest.fixture(scope="module")
def runs(fit_words, tmp_path_factory):
    """Adapter -> folder of a finished training of one process."""
    folder = tmp_path_factory.mktemp("runs")
    words = [*fit_words, "--data.loader.batch_size", "12", "--trainer.max_epochs", "1"]
    for name, head in (("none", []), ("lora", ["--model.head_first", "true"])):
        assert main([*words, "--model.adapter", name, *head, "--out", str(folder / name)]) == 0
    return folder


@pytest.mark.parametrize("command", ["test", "validate"])
def test_a_checkpoint_is_scored_alike_with_distributed_weights(command, runs, tmp_path):
    words = [command, "--ckpt", str(runs / "lora" / "best.ckpt")]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    said = sharded(words, tmp_path / "two")
    assert said.count("Results: EmoDB") == 1
    assert rows(tmp_path / "one") == rows(tmp_path / "two")


@pytest.mark.parametrize(
    ("command", "ckpt", "said"),
    [
        ("test", "none/best.ckpt", "the encoder is frozen"),
        ("validate", "none/best.ckpt", "the encoder is frozen"),
        ("test", ".", "an ensemble, or an encoder alone, is whole on each device"),
    ],
)
def test_what_is_not_evaluated_with_it_is_refused_before_anything_is_done(
    command, ckpt, said, runs, emodb, tmp_path, capsys
):
    if ckpt == ".":  # as of several folds
        for name in ("fold-0", "fold-1"):
            shutil.copytree(runs / "none", tmp_path / "run" / name)
        shutil.copy(runs / "none" / "results.json", tmp_path / "run")
    words = [command, "--ckpt", str(tmp_path / "run" if ckpt == "." else runs / ckpt)]
    words += ["--data", "EmoDB", "--data.root", emodb] if ckpt == "." else []
    assert main([*words, "--trainer.devices", "2", *FSDP, "--trainer.accelerator", "cpu"]) == 2
    error = capsys.readouterr().err
    assert f"--trainer.strategy fsdp: {said}" in error
    assert error.count("error: ") == 1


REFUSED = {
    "frozen": ([], "the encoder is frozen"),
    "head first": (["--model.adapter", "lora", "--model.head_first", "true"], "--model.head_first false"),
    "peft": (["--model.adapter", "peft:adalora"], "adapter peft:adalora reads or changes whole weights"),
    "half": (["--model.adapter", "full", "--trainer.precision", "16-mixed"], "bf16-mixed"),
    "averaging": (["--model.adapter", "lora", *AVERAGING], "StochasticWeightAveraging copies whole weights"),
    "folds": (["--data.folds.index", "all"], "the encoder is frozen"),
    "seeds": (["--seeds", "[0,1]", "--model.adapter", "peft:adalora"], "adapter peft:adalora"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_distributed_is_refused_before_anything_is_done(case, fit_words, tmp_path, capsys):
    more, said = REFUSED[case]
    words = [*fit_words, *more, "--trainer.devices", "2", *FSDP, "--out", str(tmp_path / "run")]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "--trainer.strategy fsdp" in error
    assert said in error
    assert not (tmp_path / "run").exists()


def test_adversarial_training_cannot_be_distributed(encoder, emodb, ravdess, tmp_path, capsys):
    words = [
        "fit", "--data", "LanguagePair", "--data.setting", "zero-shot",
        "--data.source", "EmoDB", "--data.source.root", emodb,
        "--data.target", "RAVDESS", "--data.target.root", ravdess,
        "--model.encoder", encoder, "--model.whisper_form", "short", "--model.adapter", "lora",
        "--model.adversarial.weight", "1", "--trainer.accelerator", "cpu", "--trainer.devices", "2",
    ]  # fmt: skip
    assert main([*words, *FSDP, "--out", str(tmp_path / "run")]) == 2
    assert "--trainer.strategy fsdp: not with --model.adversarial" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_several_trainings_need_several_devices_each(fit_words, tmp_path, capsys):
    words = [*fit_words, "--data.folds.index", "all", "--model.adapter", "lora", *FSDP]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    assert "each of several trainings has one device, so nothing" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_one_device_has_nothing_to_distribute_to(fit_words, tmp_path, capsys):
    words = [*fit_words, "--model.adapter", "full", *FSDP, "--trainer.devices", "1"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    assert "there is one device" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "said"),
    [("layer-probe", "the encoder is frozen"), ("diarize fit", "on one device")],
)
def test_other_commands_refuse_it(command, said, fit_words, tmp_path, capsys):
    words = [
        *command.split(),
        *fit_words[1:],
        "--trainer.devices",
        "2",
        *FSDP,
        "--out",
        str(tmp_path / "run"),
    ]
    words += ["--model.adapter", "full"] if command == "diarize fit" else []
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_the_strategies_of_lightning_for_it_are_refused(fit_words, tmp_path, capsys):
    assert main([*fit_words, "--trainer.strategy", "fsdp_cpu_offload", "--out", str(tmp_path / "run")]) == 2
    assert "Give --trainer.strategy fsdp." in capsys.readouterr().err
