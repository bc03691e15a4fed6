import csv
import json
import shutil
import sys
from pathlib import Path

import pytest
import soundfile
import torch

from sercl.cli.help import unknown_flags
from sercl.cli.main import main
from sercl.cli.pages import TEST as PAGE
from sercl.cli.pages import VALIDATE
from sercl.cli.precheck import with_own_config
from sercl.errors import CheckpointError, UsageError
from sercl.tasks.classification import EmotionClassifier
from tests.data.corpora import write_manifest, write_rows


@pytest.fixture(scope="module")
def run(fit_words, tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("test") / "run"
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


@pytest.mark.parametrize("more", [["-c", "a.yaml"], ["--config=a.yaml"], ["--data", "ESD"], ["--help"]])
def test_words_that_say_what_the_data_are_come_first(stored, more):
    words = ["--ckpt", str(stored), *more]
    assert with_own_config(words) == words


def test_a_checkpoint_without_its_run_needs_data(tmp_path):
    with pytest.raises(UsageError, match=r"no config\.yaml beside it.*--data NAME --data\.root DIR"):
        with_own_config(["--ckpt", str(tmp_path / "best.ckpt")])
    with pytest.raises(CheckpointError, match=r"is a folder without a checkpoint\. Give a file"):
        with_own_config(["--ckpt", str(tmp_path)])


@pytest.mark.parametrize("name", ["test", "validate"])
def test_help_is_a_page_of_its_own(name, capsys):
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"sercl {name} --ckpt" in shown
    assert ("validation part" in shown) is (name == "validate")
    assert {"test": PAGE, "validate": VALIDATE}[name].flags == PAGE.flags


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
        assert [row["utterance"] for row in csv.DictReader(predicted)] == expected
    assert (tmp_path / "out" / "confusion.png").stat().st_size > 0


def scored(capsys, run, *words):
    assert main(["test", "--ckpt", str(run / "best.ckpt"), "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_of_an_unknown_corpus_the_whole_is_scored_unless_a_part_is_named(run, ravdess, emodb, capsys):
    other = ["--data", "RAVDESS", "--data.root", ravdess]
    whole = scored(capsys, run, *other)
    assert (whole["part"], whole["scores"]["n"]) == ("whole", 8 * 4 * 2)
    assert any("the whole corpus is tested" in note and "EmoDB" in note for note in whole["notes"])
    part = scored(capsys, run, *other, "--data.folds.index", "1")
    assert (part["part"], part["scores"]["n"] < 20) == ("test", True)
    assert main(["test", "--ckpt", str(run / "best.ckpt"), *other]) == 0
    assert "Results: RAVDESS, whole corpus" in capsys.readouterr().out
    own = scored(capsys, run, "--data", "EmoDB", "--data.root", emodb)
    assert own["part"] == "test"
    assert own["scores"] == scored(capsys, run)["scores"]


def test_a_corpus_of_test_alone_or_without_a_class_is_scored(run, tmp_path, capsys):
    table = write_manifest(tmp_path, speakers=2)
    rows = list(csv.reader(table.open()))[1:]
    every = write_rows(
        tmp_path / "a.csv", [(*r, "test") for r in rows], ("path", "emotion", "speaker", "split")
    )
    found = scored(
        capsys, run, "--data", "Manifest", "--data.root", str(every), "--data.folds.scheme", "official"
    )
    assert (found["part"], found["scores"]["n"]) == ("test", len(rows))
    three = write_rows(tmp_path / "b.csv", [row for row in rows if row[1] != "sad"])
    words = ["--data", "Manifest", "--data.root", str(three)]
    found = scored(capsys, run, *words)
    recalls = {row["name"]: row["recall"] for row in found["scores"]["per_class"]}
    assert recalls.pop("sad") is None
    assert found["scores"]["uar"]["value"] == pytest.approx(sum(recalls.values()) / 3)
    assert main(["test", "--ckpt", str(run / "best.ckpt"), *words]) == 0
    assert "no utterance of sad: UAR is the mean over the other classes" in capsys.readouterr().out.replace(
        "\n", " "
    )


def wrapped(emodb, folder, parts, run):
    """A manifest of copies of a run's recordings, under other names, of other speakers, in another format."""
    folder.mkdir()
    files = [row["file"] for part in parts for row in csv.DictReader((run / "folds" / f"{part}.csv").open())]
    rows = []
    for number, name in enumerate(files):
        source = min(Path(emodb).rglob(Path(name).name))
        samples, rate = soundfile.read(source, dtype="int16")
        soundfile.write(folder / f"{number}.flac", samples, rate)
        emotion = {"W": "angry", "F": "happy", "N": "neutral", "T": "sad"}[source.stem[5]]
        rows.append((f"{number}.flac", emotion, f"new{number % 5}"))
    return write_rows(folder / "list.csv", rows)


@pytest.fixture(scope="module")
def moved(run, tmp_path_factory):
    """The checkpoint alone, in a folder of its own."""
    return shutil.copy(run / "best.ckpt", tmp_path_factory.mktemp("moved") / "m.ckpt")


def test_copies_of_training_recordings_are_leakage_whatever_they_are_called(
    run, moved, emodb, tmp_path, capsys
):
    table = wrapped(emodb, tmp_path / "copies", ["train", "test"], run)
    count = sum(1 for _ in (run / "folds" / "train.csv").open()) - 1
    words = ["--ckpt", str(moved), "--data", "Manifest", "--data.root", str(table)]
    assert main(["test", *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    whole = len(table.read_text().splitlines()) - 1
    assert (found["part"], found["scores"]["n"]) == ("whole", whole)
    said = f"leakage: {count} of {whole} recordings in test were trained on"
    assert any(note.startswith(said) for note in found["notes"])
    assert main(["test", *words, "--data.folds.index", "1"]) == 0
    assert "leakage: " in capsys.readouterr().out
    own = json.loads((run / "results.json").read_text())["scores"]
    assert main(["test", "--ckpt", str(run / "best.ckpt"), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["scores"] == own
    assert not any("leakage" in note for note in again["notes"])


def test_copies_of_other_recordings_are_scored_and_those_of_the_selection_are_said(
    run, moved, emodb, tmp_path, capsys
):
    table = wrapped(emodb, tmp_path / "copies", ["validation", "test"], run)
    words = ["--ckpt", str(moved), "--data", "Manifest", "--data.root", str(table)]
    assert main(["test", *words, "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    count = sum(1 for _ in (run / "folds" / "validation.csv").open()) - 1
    assert any(note.startswith(f"{count} of ") and "are validation recordings" in note for note in notes)
    assert any("Recordings were compared by their samples" in note for note in notes)


def test_resampled_copies_of_training_recordings_are_pointed_out(run, moved, emodb, tmp_path, capsys):
    rows = []
    with (run / "folds" / "train.csv").open() as listed:
        names = [Path(row["file"]).name for row in csv.DictReader(listed)]
    for number, name in enumerate(names):
        samples, rate = soundfile.read(min(Path(emodb).rglob(name)))
        soundfile.write(tmp_path / name, samples[::2], rate // 2)
        emotion = {"W": "angry", "F": "happy", "N": "neutral", "T": "sad"}[name[5]]
        rows.append((name, emotion, f"new{number % 5}"))
    table = write_rows(tmp_path / "half.csv", rows)
    words = ["--ckpt", str(moved), "--data", "Manifest", "--data.root", str(table), "--json"]
    assert main(["test", *words]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any(note.startswith(f"possible leakage: {len(rows)} of {len(rows)} recordings") for note in notes)


def test_a_checkpoint_without_a_list_of_recordings_says_that_none_is_compared(run, emodb, tmp_path, capsys):
    table = wrapped(emodb, tmp_path / "copies", ["train"], run)
    old = torch.load(run / "best.ckpt", weights_only=True)
    del old["recordings"]
    torch.save(old, tmp_path / "old.ckpt")
    words = ["--data", "Manifest", "--data.root", str(table), "--json"]
    assert main(["test", "--ckpt", str(tmp_path / "old.ckpt"), *words]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any("under different names are not detected" in note for note in notes)


def test_a_run_that_selects_and_tests_on_the_same_speakers_can_be_tested(encoder, tmp_path, capsys):
    table = write_manifest(tmp_path, speakers=4)
    rows = list(csv.reader(table.open()))[1:]
    parts = {
        "0": ("train", "train"),
        "1": ("train", "train"),
        "2": ("validation", "test"),
        "3": ("test", "test"),
    }
    split = [(*row, parts[row[2]]["_1." in row[0]]) for row in rows]
    own = write_rows(tmp_path / "own.csv", split, ("path", "emotion", "speaker", "split"))
    words = ["--data", "Manifest", "--data.root", str(own), "--data.folds.scheme", "official"]
    words += ["--model.encoder", encoder, "--model.whisper_form", "short", "--trainer.max_epochs", "1"]
    run = tmp_path / "run"
    assert main(["fit", *words, "--trainer.accelerator", "cpu", "--out", str(run), "--json"]) == 0
    capsys.readouterr()
    found = scored(capsys, run)
    assert found["scores"] == json.loads((run / "results.json").read_text())["scores"]
    assert any("1 of 2 speakers in test are validation speakers" in note for note in found["notes"])


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
        (["--ckpt", "{run}/config.yaml"], 1, "config.yaml: not a checkpoint ("),
        (["--ckpt", "{run}/best.ckpt", "--data.labels", "6"], 2, "set --data.labels 4."),
        (["--ckpt", "{other}", "--data", "EmoDB", "--data.root", "{emodb}"], 1, "format 99 of sercl 9.9"),
        (["--ckpt", "{run}/best.ckpt", "--out", "{run}/config.yaml"], 1, "cannot be written"),
    ],
)
def test_what_cannot_be_evaluated_gives_one_message(run, emodb, tmp_path, capsys, words, code, said):
    other = rewritten(run, tmp_path, format=99, version="9.9")
    paths = {"run": run, "emodb": emodb, "tmp": tmp_path, "other": other}
    assert main(["test", *(word.format(**paths) for word in words)]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert "defect" not in error
