import csv
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

from sercl.cli.help import unknown_flags
from sercl.cli.judge import PAGE, page, with_own_config
from sercl.cli.main import main
from sercl.errors import UsageError
from sercl.tasks.classification import EmotionClassifier


@pytest.fixture(scope="module")
def run(fit_words, tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("judge") / "run"
    assert main([*fit_words, "--model.layer", "1", "--trainer.max_epochs", "1", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def stored(tmp_path):
    """A checkpoint of one stage of two, with the run's configuration one level higher."""
    (tmp_path / "run" / "target").mkdir(parents=True)
    (tmp_path / "run" / "config.yaml").touch()
    return tmp_path / "run" / "target" / "best.ckpt"


def test_the_configuration_beside_the_checkpoint_is_taken(stored):
    own = ["--config", str(stored.parent.parent / "config.yaml")]
    for words in (["--ckpt", str(stored)], [f"--ckpt={stored}", "--json"]):
        assert with_own_config(words) == [*own, *words]
    first = stored.parent.parent / "best.ckpt"
    assert with_own_config(["--ckpt", str(first)]) == [*own, "--ckpt", str(first)]


@pytest.mark.parametrize("more", [["-c", "a.yaml"], ["--config=a.yaml"], ["--data", "ESD"], ["--help-all"]])
def test_words_that_say_what_the_data_are_come_first(stored, more):
    words = ["--ckpt", str(stored), *more]
    assert with_own_config(words) == words


def test_a_checkpoint_without_its_run_needs_data(tmp_path):
    with pytest.raises(UsageError, match=r"no config\.yaml beside it.*--data NAME --data\.root DIR"):
        with_own_config(["--ckpt", str(tmp_path / "best.ckpt")])


@pytest.mark.parametrize("name", ["test", "validate"])
def test_help_is_a_page_of_its_own(name, capsys):
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"sercl {name} --ckpt" in shown
    assert ("validation part" in shown) is (name == "validate")
    assert page(name).flags == PAGE.flags


def test_every_flag_of_the_page_exists(run, monkeypatch, emodb):
    from sercl.cli.lightning import Cli

    def parse(more):
        monkeypatch.setattr(sys, "argv", ["sercl test", "--data", "EmoDB", "--data.root", emodb, *more])
        return Cli("test", with_training=False)

    assert not unknown_flags(PAGE.flags, parse)


@pytest.mark.parametrize(("name", "part"), [("test", "test"), ("validate", "validation")])
def test_results_are_those_of_the_part_that_was_asked_for(run, name, part, tmp_path, capsys):
    assert main([name, "--ckpt", str(run / "best.ckpt"), "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert f"{part} part" in shown.replace("\n", " ")
    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (stored["part"], stored["stages"]) == (part, [])
    with (run / "folds" / f"{part}.csv").open(newline="") as listed:
        expected = sorted(Path(row["file"]).stem for row in csv.DictReader(listed))
    with (tmp_path / "out" / "predictions.csv").open(newline="") as predicted:
        assert [row["id"] for row in csv.DictReader(predicted)] == expected
    assert (tmp_path / "out" / "confusion.png").stat().st_size > 0


def test_nothing_is_written_where_no_place_is_given(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["test", "--ckpt", str(run / "best.ckpt")]) == 0
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_has_moved_is_named(run, encoder, tmp_path, capsys):
    moved, checkpoint = tmp_path / "moved", tmp_path / "other.ckpt"
    shutil.copytree(encoder, moved)
    stored = torch.load(run / "best.ckpt", weights_only=True)
    stored["hyper_parameters"]["encoder"] = str(tmp_path / "gone")
    torch.save(stored, checkpoint)
    words = ["test", "--ckpt", str(checkpoint), "--config", str(run / "config.yaml"), "--json"]
    assert main(words) == 1
    assert "--encoder FOLDER" in capsys.readouterr().err
    assert main([*words, "--encoder", str(moved)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["scores"] == json.loads((run / "results.json").read_text())["scores"]


def test_a_place_that_cannot_be_written_is_said_before_the_work(run, monkeypatch, capsys):
    monkeypatch.setattr(EmotionClassifier, "restore", lambda *_: pytest.fail("the checkpoint was read"))
    assert main(["test", "--ckpt", str(run / "best.ckpt"), "--out", str(run / "config.yaml" / "x")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def rewritten(run, tmp_path, **changes):
    stored = torch.load(run / "best.ckpt", weights_only=True)
    stored["sercl"].update(changes)
    torch.save(stored, tmp_path / "other.ckpt")
    return tmp_path / "other.ckpt"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--json"], 2, "--data"),
        (["--data", "EmoDB", "--data.root", "{emodb}"], 2, "--ckpt is missing"),
        (["--ckpt", "{tmp}/no.ckpt", "--data", "EmoDB", "--data.root", "{emodb}"], 1, "does not exist"),
        (["--ckpt", "{run}/config.yaml"], 1, "not a checkpoint that loads safely"),
        (["--ckpt", "{run}/best.ckpt", "--data.labels", "6"], 2, "set --data.labels"),
        (["--ckpt", "{other}", "--data", "EmoDB", "--data.root", "{emodb}"], 1, "format 99 of sercl 9.9"),
        (["--ckpt", "{run}/best.ckpt", "--out", "{run}/config.yaml"], 1, "cannot be written"),
    ],
)
def test_what_cannot_be_judged_gives_one_message(run, emodb, tmp_path, capsys, words, code, said):
    other = rewritten(run, tmp_path, format=99, version="9.9")
    places = {"run": run, "emodb": emodb, "tmp": tmp_path, "other": other}
    assert main(["test", *(word.format(**places) for word in words)]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert "defect" not in error
