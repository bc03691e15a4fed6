"""Domain-adversarial training through the real command line."""

import csv
import json

import pytest
import torch

from sercl.cli.main import main
from tests.cli.test_processes import in_two
from tests.cli.test_resume import predictions
from tests.cli.words import replaced
from tests.processes import alone, killed_when


@pytest.fixture
def words(encoder, emodb, ravdess):
    return [
        "fit", "--data", "LanguagePair", "--data.setting", "zero-shot",
        "--data.source", "EmoDB", "--data.source.root", emodb,
        "--data.target", "RAVDESS", "--data.target.root", ravdess,
        "--model.encoder", encoder, "--model.whisper_form", "short", "--model.adapter", "gating",
        "--model.adversarial.weight", "1", "--trainer.max_epochs", "2", "--trainer.accelerator", "cpu",
    ]  # fmt: skip


def logged(folder):
    """Return the rows of a run's log that hold values of training; the test has a log of its own."""
    path = folder / "logs" / "csv" / "version_0" / "metrics.csv"
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row.get("train/loss")]


def test_a_run_says_everywhere_that_target_audio_was_used(words, tmp_path, capsys):
    run = tmp_path / "run"
    assert main([*words, "--out", str(run)]) == 0
    assert "target audio without labels was used" in capsys.readouterr().out
    results = json.loads((run / "results.json").read_text())
    [note] = [note for note in results["notes"] if "without labels" in note]
    assert note.startswith("target audio without labels was used: ")
    assert note.endswith("utterances of the train part of RAVDESS")
    assert results["model"]["hyper_parameters"]["adversarial"]["weight"] == 1.0
    rows = logged(run)
    assert len(rows) == 2
    assert all(float(row["train/domain_loss"]) > 0 for row in rows)
    assert all(0 <= float(row["train/domain_accuracy"]) <= 1 for row in rows)
    assert main(["test", "--ckpt", str(run / "best.ckpt"), "--json"]) == 0
    scored = json.loads(capsys.readouterr().out)
    assert "target audio without labels was used in training (adversarial)" in scored["notes"]
    assert scored["scores"] == results["scores"]


def test_weight_zero_is_the_run_without(words, tmp_path):
    off, without = tmp_path / "off", tmp_path / "without"
    place = words.index("--model.adversarial.weight")
    assert main([*words[: place + 1], "0", *words[place + 2 :], "--out", str(off)]) == 0
    assert main([*words[:place], *words[place + 2 :], "--out", str(without)]) == 0
    assert predictions(off) == predictions(without)
    assert "domain_loss" not in (off / "logs" / "csv" / "version_0" / "metrics.csv").read_text()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("--data.setting", "two-stage"), "'two-stage' has no use"),
        (("--model.adapter", "none"), "--model.adapter none"),
        (("--model.adversarial.weight", "-1"), "adversarial.weight is -1"),
    ],
)
def test_where_it_cannot_apply_nothing_is_done(words, changed, said, tmp_path, capsys):
    run = tmp_path / "run"
    assert main([*replaced(words, *changed), "--out", str(run)]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (run / "best.ckpt").exists()


def test_one_corpus_has_no_target(fit_words, tmp_path, capsys):
    words = [*fit_words, "--model.adapter", "gating", "--model.adversarial.weight", "1"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    assert "EmoDB has none" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_end(words, tmp_path):
    words = [*words, "--model.dropout", "0.2", "--data.source.loader.batch_size", "16"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    in_second_epoch = killed_when(lambda task, batch: (task.current_epoch, batch) == (1, 1))
    ended = alone([*words, "--out", str(killed)], tmp_path / "said", in_second_epoch)
    assert ended.code == -9, ended.err
    assert main([*words, "--out", str(whole)]) == 0
    assert main([*words, "--out", str(killed), "--resume"]) == 0
    assert predictions(killed) == predictions(whole)
    states = [torch.load(run / "best.ckpt", weights_only=True)["state_dict"] for run in (killed, whole)]
    assert any("adversary" in name for name in states[0])
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


@pytest.mark.slow
def test_two_processes_hear_both_domains(words, tmp_path):
    run = tmp_path / "two"
    said = in_two(words, run)
    assert said.count("Results: EmoDB -> RAVDESS") == 1
    assert all(float(row["train/domain_loss"]) > 0 for row in logged(run))


def test_a_head_that_is_trained_first_hears_the_source_alone(words, tmp_path):
    run = tmp_path / "run"
    assert main([*words, "--model.head_first", "true", "--out", str(run)]) == 0
    results = json.loads((run / "results.json").read_text())
    assert [stage["stage"] for stage in results["stages"]] == ["head", "train"]
    assert any("without labels" in note for note in results["notes"])
    assert all(float(row["train/domain_loss"]) > 0 for row in logged(run))
    assert all("train/domain_loss" not in row for row in logged(run / "head"))
    saved = torch.load(run / "head" / "best.ckpt", weights_only=True)
    assert not any("RAVDESS" in name for name in saved["sercl"]["seen_speakers"]["train"])
