"""Options of Lightning with which a run would end in nothing are refused before anything is done."""

import csv
import json

import pytest
import yaml
from lightning.pytorch.utilities import rank_zero_only

from sercl.cli.main import main

REFUSED = [
    ("fast_dev_run true", "saves no checkpoint that could be tested"),
    ("fast_dev_run 2", "limit_train_batches 2"),
    ("barebones true", "Leave it out"),
    ("enable_checkpointing false", "must be saved"),
    ("limit_train_batches 0", "nothing would be trained"),
    ("limit_train_batches 0.0", "nothing would be trained"),
    ("limit_val_batches 0", "validation chooses"),
    ("limit_test_batches 0", "nothing would be tested"),
    ("limit_predict_batches 1", "hidden states are computed for every utterance"),
    ("overfit_batches 1", "--data.folds.per_emotion"),
    ("overfit_batches 0.5", "--data.folds.per_emotion"),
    ("strategy ddp_spawn", "scores would stay in the processes that it starts. Use ddp."),
    ("strategy ddp_fork_find_unused_parameters_true", "Use ddp."),
    ("num_nodes 0", "it must be from 1 to 10000"),
    ("num_nodes 2", "this command is not started on the other machines"),
    ('strategy {"class_path":"DDPStrategy","init_args":{"process_group_backend":"x"}}', "(gloo"),
    ("max_epochs 0", "nothing would be trained"),
    ("max_epochs -2", "-1 for no limit"),
    ("max_steps 0", "nothing would be trained"),
    ("max_time 00:00:00:00", "nothing would be trained"),
    ("max_time soon", "such as 00:08:00:00"),
    ("min_epochs 9", "min_epochs 9 is above --trainer.max_epochs 3"),
    ("accumulate_grad_batches 0", "1 or more"),
    ("check_val_every_n_epoch 0", "1 or more"),
    ("check_val_every_n_epoch 4", "the first epoch that can be saved is number 4"),
    ("val_check_interval 0", "above 0"),
    ("reload_dataloaders_every_n_epochs -1", "0 or more"),
    ("gradient_clip_val -1", "0 or more"),
    ("early_stopping.patience -1", "0 or more"),
    ("checkpoint.save_top_k 0", "must be saved"),
    ("checkpoint.save_top_k -2", "-1 for all epochs"),
    ("checkpoint.save_top_k 3", "best-{epoch}"),
    ("checkpoint.save_top_k -1", "best-{epoch}"),
    ("checkpoint.every_n_epochs 0", "1 or more"),
    ("checkpoint.every_n_epochs 4", "the first epoch that can be saved is number 4"),
    ("checkpoint.every_n_train_steps 2", "val_check_interval"),
    ("checkpoint.train_time_interval 00:00:01:00", "val_check_interval"),
]


def words_of(options):
    name, *value = options.split()
    return [f"--{name}" if "." in name else f"--trainer.{name}", *value]


@pytest.mark.parametrize(
    ("command", "options", "said"),
    [*(("fit", *refused) for refused in REFUSED), *(("diarize fit", *refused) for refused in REFUSED[::8])],
)
def test_what_would_end_in_nothing_is_refused_before_anything_is_done(
    command, options, said, fit_words, tmp_path, capsys
):
    words = [*command.split(), *fit_words[1:], *words_of(options), "--out", str(tmp_path / "run")]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("seed", ["-5", str(2**32)])
def test_seeds_that_no_generator_takes_are_refused(seed, fit_words, tmp_path, capsys):
    assert main([*fit_words, "--seed_everything", seed, "--out", str(tmp_path / "run")]) == 2
    assert f"--seed_everything {seed}: it must be from 0 to 4294967295" in capsys.readouterr().err


@pytest.mark.parametrize("options", ["strategy xla", "profiler xla"])
def test_parts_for_hardware_that_is_not_there_are_refused(options, fit_words, tmp_path, capsys):
    assert main([*fit_words, *words_of(options), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: options of --trainer do not fit: ")
    assert "defect" not in error
    assert not (tmp_path / "run").exists()


def test_a_process_that_is_none_of_the_run_is_refused(fit_words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(rank_zero_only, "rank", 1)  # as LOCAL_RANK=1 sets it, that a launcher has left behind
    assert main([*fit_words, "--out", str(tmp_path / "run")]) == 2
    assert "process 2 of a run (RANK, LOCAL_RANK, NODE_RANK), but the run has 1" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_variables_of_slurm_that_lightning_refuses_are_one_message(fit_words, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "2")
    assert main([*fit_words, "--out", str(tmp_path / "run")]) == 2
    assert "--ntasks=2" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_empty_config_of_the_encoder_is_named(fit_words, tmp_path, capsys):
    assert main([*fit_words, "--model.encoder_config", "{}", "--out", str(tmp_path / "run")]) == 1
    assert "config of the encoder lacks parts. Leave --model.encoder_config out" in capsys.readouterr().err


def test_a_callback_whose_default_yaml_has_no_word_for_can_be_used(fit_words, tmp_path):
    timer = '[{"class_path": "Timer", "init_args": {"duration": "00:01:00:00"}}]'
    assert main([*fit_words, "--trainer.callbacks", timer, "--out", str(tmp_path / "run")]) == 0
    (part,) = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["trainer"]["callbacks"]
    assert part["init_args"]["interval"] == "step"


def test_a_test_that_takes_no_limit_says_so(fit_words, tmp_path, capsys):
    words = [*fit_words[1:], "--trainer.limit_test_batches", "1", "--out", str(tmp_path / "run")]
    assert main(["diarize", "fit", *words]) == 2
    assert "every test clip is evaluated" in capsys.readouterr().err


@pytest.mark.parametrize("options", ["fast_dev_run 1", "limit_test_batches 1", "max_epochs 0"])
def test_studies_refuse_the_same(options, crossed, tmp_path, capsys):
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({"study": crossed}))
    assert main(["cross-eval", "-c", str(study), *words_of(options), "--out", str(tmp_path / "study")]) == 2
    assert f"--trainer.{options.split()[0]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "epochs", "end"),
    [
        ("--trainer.check_val_every_n_epoch 2", 3, "epoch limit"),
        ("--trainer.limit_train_batches 1", 3, "epoch limit"),
        ("--trainer.limit_val_batches 1 --trainer.accumulate_grad_batches 2", 3, "epoch limit"),
        ("--trainer.max_epochs -1 --trainer.max_steps 1", 1, "step limit"),
        ("--trainer.val_check_interval 1 --early_stopping.patience 99", 3, "epoch limit"),
        ("--trainer.max_epochs 4 --checkpoint.every_n_epochs 2", 4, "epoch limit"),
        ("--checkpoint.save_top_k 2 --checkpoint.filename best-{epoch}", 3, "epoch limit"),
        ("--trainer.reload_dataloaders_every_n_epochs 1 --checkpoint.save_last false", 3, "epoch limit"),
    ],
)
@pytest.mark.parametrize("command", ["fit", "diarize fit"])
def test_what_works_ends_as_it_says(command, options, epochs, end, fit_words, diarize_short, tmp_path):
    words = fit_words if command == "fit" else diarize_short
    assert main([*words, *options.split(), "--out", str(tmp_path / "run")]) == 0
    (stage,) = json.loads((tmp_path / "run" / "results.json").read_text())["stages"]
    assert (stage["epochs"], stage["ended_by"]) == (epochs, end)


@pytest.fixture(scope="session")
def diarize_short(fit_words):
    """The command line of a small `diarize fit`: as many epochs as that of `fit`."""
    return ["diarize", *fit_words, "--data.clips.voice", "none", "--data.clips.min_piece", "0.05"]


@pytest.mark.parametrize("command", ["test", "validate"])
def test_a_part_may_be_scored_in_part_and_is_said_to_be(command, fit_words, tmp_path):
    run, out = tmp_path / "run", tmp_path / "out"
    limits = ["--trainer.limit_test_batches", "1", "--trainer.limit_val_batches", "1"]
    small = ["--data.loader.batch_size", "4", "--trainer.max_epochs", "1", *limits]
    assert main([*fit_words, *small, "--out", str(run)]) == 0
    assert main([command, "--ckpt", str(run / "best.ckpt"), "--out", str(out)]) == 0
    part = {"test": "test", "validate": "validation"}[command]
    results = json.loads((out / "results.json").read_text())
    whole = results["data"]["splits"][part]["utterances"]
    assert any(f"only 4 of {whole} {part} utterances are scored" in note for note in results["notes"])
    with (out / "predictions.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 4


def test_only_callbacks_that_are_accepted_are_named_as_valid(fit_words, tmp_path, capsys):
    assert main([*fit_words, "--trainer.callbacks", "NoSuch", "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "Valid: DeviceStatsMonitor, EarlyStopping, " in said
    assert "FitProgress" not in said
