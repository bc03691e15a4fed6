"""A score that is registered comes out wherever scores do."""

import csv
import json
from dataclasses import fields

import pytest
import torch
from sklearn import metrics

from sercl.cli.main import main
from sercl.errors import UsageError
from sercl.metrics.functional import classification
from sercl.metrics.functional.classification import Average
from sercl.metrics.functional.eder import ERRORS
from sercl.studies.diarization.evaluation import DiarizationScores
from sercl.studies.diarization.results import read
from sercl.studies.results.predictions import read_csv
from sercl.studies.results.scores import Evaluation
from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study
from tests.studies.runs import fake_run


def mcc(confusion):
    """Matthews' correlation coefficient (Gorodkin 2004), from `[..., classes, classes]`."""
    confusion = confusion.double()
    truth, predicted, n = confusion.sum(-1), confusion.sum(-2), confusion.sum((-2, -1))
    right = confusion.diagonal(dim1=-2, dim2=-1).sum(-1)
    spread = ((n**2 - (truth**2).sum(-1)) * (n**2 - (predicted**2).sum(-1))).sqrt()
    return (right * n - (truth * predicted).sum(-1)) / spread


def kappa(confusion):
    """Cohen's kappa."""
    confusion = confusion.double()
    truth, predicted, n = confusion.sum(-1), confusion.sum(-2), confusion.sum((-2, -1))
    chance = (truth * predicted).sum(-1) / n**2
    return (classification.wa(confusion) - chance) / (1 - chance)


@pytest.fixture
def two_more(monkeypatch):
    monkeypatch.setattr(classification.AVERAGES, "_entries", dict(classification.AVERAGES))
    classification.register(Average("mcc", "MCC", mcc, lowest=-1, in_percent=False))
    classification.register(Average("kappa", "Kappa", kappa, lowest=-1, in_percent=False))


def test_a_name_is_registered_once():
    with pytest.raises(UsageError, match="score '3': it must be of the class Average, but is of int"):
        classification.register(3)
    with pytest.raises(UsageError, match="'uar' is registered already"):
        classification.register(Average("uar", "UAR", mcc))


def test_a_name_of_another_entry_is_refused():
    entries = {*ERRORS, *(field.name for kind in (Evaluation, DiarizationScores) for field in fields(kind))}
    assert entries <= classification.TAKEN
    with pytest.raises(UsageError, match="another entry of this name"):
        Average("confusion", "C", mcc)


def test_a_run_has_them_in_its_results_its_table_and_its_log(two_more, fit_words, tmp_path, capsys):
    run = tmp_path / "run"
    assert main([*fit_words, "--out", str(run)]) == 0
    assert {"MCC", "Kappa"} <= set(capsys.readouterr().out.split())
    own = read_csv(run / "predictions.csv")
    expected = {
        "mcc": metrics.matthews_corrcoef(own.truth, own.predicted),
        "kappa": metrics.cohen_kappa_score(own.truth, own.predicted),
    }
    scores = json.loads((run / "results.json").read_text())["scores"]
    for name, value in expected.items():
        assert scores[name]["value"] == pytest.approx(value, abs=1e-6)
        assert -1 <= scores[name]["low"] <= scores[name]["value"] <= scores[name]["high"]
    logged = {name for log in run.rglob("metrics.csv") for name in log.read_text().splitlines()[0].split(",")}
    assert {"val/mcc", "test/mcc", "test/kappa"} <= logged


def test_a_comparison_and_a_report_have_them(two_more, tmp_path, capsys):
    runs = [fake_run(tmp_path / name, 0.7, seed=seed) for seed, name in enumerate("ab")]
    assert main(["compare", *map(str, runs)]) == 0
    assert {"MCC", "Kappa"} <= set(capsys.readouterr().out.split())
    assert main(["compare", *map(str, runs), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["results"]
    assert {"mcc", "kappa"} <= row["first"].keys()
    study = tmp_path / "study"
    encoders = {"whisper-base": ENCODERS["whisper-base"]}
    corpora = {name: CORPORA[name] for name in ("EmoDB", "RAVDESS")}
    fake_study(study, Grid(corpora, encoders, ("none",), ("monolingual", "zero-shot"), folds=2, seeds=(1,)))
    assert main(["cross-eval", "report", str(study), "--format", "html", "md", "tex", "csv"]) == 0
    with (study / "scores.csv").open(newline="") as file:
        assert {"mcc", "mcc_low", "kappa_high"} <= set(next(csv.reader(file)))
    for name in ("report.html", "report.md", "report.tex"):
        text = (study / name).read_text()
        assert "MCC" in text, name
        assert "Kappa" in text, name


@pytest.mark.parametrize("extra", [0, 3])
def test_time_that_is_no_class_is_one_more_label_for_sklearn(extra, two_more):
    generator = torch.Generator().manual_seed(extra)
    truth = torch.randint(0, 4, (60,), generator=generator)
    predicted = torch.randint(0, 4 + bool(extra), (60,), generator=generator)
    seconds = classification.confusion_matrix(truth, predicted, 5)[:4].double() / 50
    found = {name: average.of(seconds).item() for name, average in classification.AVERAGES.items()}
    assert found["mcc"] == pytest.approx(metrics.matthews_corrcoef(truth, predicted))
    assert found["kappa"] == pytest.approx(metrics.cohen_kappa_score(truth, predicted))


def test_a_diarizer_has_them_in_its_results_its_table_and_its_log(two_more, encoder, emodb, tmp_path, capsys):
    run = tmp_path / "run"
    words = ["diarize", "fit", "--data", "EmoDB", "--data.root", emodb, "--data.clips.voice", "none"]
    words += ["--data.clips.min_piece", "0.05", "--model.encoder", encoder, "--model.whisper_form", "short"]
    words += ["--trainer.max_epochs", "1", "--trainer.accelerator", "cpu", "--out", str(run)]
    words += ["--checkpoint.monitor", "val/mcc", "--checkpoint.mode", "max"]
    assert main(words) == 0
    assert {"MCC of frames", "Kappa of frames", "Macro-F1 of frames"} <= {
        line.strip("│ ").split("  ")[0].strip() for line in capsys.readouterr().out.splitlines()
    }
    for system in json.loads((run / "results.json").read_text())["systems"]:
        for name in ("mcc", "kappa", "macro_f1"):
            score = system["scores"][name]
            assert score["value"] is None or score["low"] <= score["value"] <= score["high"]
    assert {"mcc", "kappa"} <= set(read(run).systems[0].to_frame()["score"])
    logged = {name for log in run.rglob("metrics.csv") for name in log.read_text().splitlines()[0].split(",")}
    assert {"val/mcc", "test/mcc", "test/kappa", "test/macro_f1"} <= logged
    assert json.loads((run / "results.json").read_text())["stages"][0]["monitor"] == "val/mcc"
    assert main(["diarize", "evaluate", str(run / "best.ckpt"), "--json"]) == 0
    assert {"mcc", "kappa"} <= json.loads(capsys.readouterr().out)["systems"][0]["scores"].keys()

    older = json.loads((run / "results.json").read_text())  # as before other averages than UAR were there
    for system in older["systems"]:
        for name in ("wa", "macro_f1", "mcc", "kappa"):
            del system["scores"][name]
    (run / "results.json").write_text(json.dumps(older))
    assert set(read(run).systems[0].to_frame()["score"]) == {*ERRORS, "uar"}
