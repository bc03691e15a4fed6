"""Names with blanks, brackets, line breaks, and bytes that are no text, as out of an old archive."""

import csv
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import soundfile

from sercl.cli.main import main
from sercl.testing.corpora import tone

# Bytes that are no text go to the terminal as they are, which only a binary capture can take.
pytestmark = pytest.mark.usefixtures("capfdbinary")

ODD = ["two words.wav", "'quoted', \"twice\".wav", "声音 ä.wav", "-dash.wav", "take[1].wav", "[red]x.wav"]


@pytest.fixture
def fit_words(fit_words):
    return [*fit_words, "--model.layer", "1", "--trainer.max_epochs", "1"]


@pytest.fixture
def checkpoint(fit_words, tmp_path):
    assert main([*fit_words, "--out", str(tmp_path / "run")]) == 0
    return tmp_path / "run" / "best.ckpt"


def write(folder, name):
    """Write a clip; soundfile itself takes no name that is no text."""
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / "plain.wav", tone("sad", 0.3, 16_000), 16_000)
    try:
        return (folder / "plain.wav").rename(folder / name)
    except OSError:
        pytest.skip("this system refuses such names")


def test_predictions_name_files_as_they_are(checkpoint, tmp_path, capfdbinary):
    names = [*ODD, "line\nbreak.wav", "caf\udce9.wav"] if sys.platform == "linux" else ODD
    paths = sorted(write(tmp_path / "talks", name) for name in names)
    out = tmp_path / "out.csv"
    for words in ([tmp_path / "talks"], paths):
        command = ["predict", str(checkpoint), *map(str, words), "--format", "csv", "--out", str(out)]
        assert main(command) == 0
        with out.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            assert [row["file"] for row in csv.DictReader(file)] == list(map(str, paths))
    capfdbinary.readouterr()
    assert main(["predict", str(checkpoint), str(tmp_path / "talks"), "--format", "json"]) == 0
    printed = capfdbinary.readouterr().out.decode("utf-8", "surrogateescape")
    assert [row["file"] for row in json.loads(printed)] == list(map(str, paths))
    assert main(["predict", str(checkpoint), str(tmp_path / "talks")]) == 0
    printed = capfdbinary.readouterr().out
    assert all(os.fsencode(path) in printed for path in paths)


def test_files_that_cannot_be_read_are_named_as_they_are(checkpoint, tmp_path, capfdbinary):
    write(tmp_path / "talks", "caf\udce9 [bold].wav").write_bytes(b"")
    good = write(tmp_path / "talks", "good.wav")
    assert main(["predict", str(checkpoint), str(tmp_path / "talks")]) == 1
    printed = capfdbinary.readouterr()
    assert b" [bold].wav: the file is empty" in printed.err
    assert os.fsencode(good) in printed.out


@pytest.fixture
def corpus(emodb, tmp_path):
    """A fake EMO-DB in a folder whose name is latin-1, with one empty file."""
    root = Path(shutil.copytree(emodb, tmp_path / "emodb"))
    try:
        folder = (root / "wav").rename(root / "Col\udce8re")
    except OSError:
        pytest.skip("this system refuses such names")
    min(path for path in folder.iterdir() if path.stem[5] == "W").write_bytes(b"")
    return root


def test_a_corpus_below_such_a_folder_is_trained_on(corpus, fit_words, tmp_path):
    words = [
        *fit_words[:4],
        str(corpus),
        *fit_words[5:],
        "--data.on_error",
        "skip",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main(words) == 0
    assert main([*words, "--overwrite"]) == 0  # now the checks of the audio are remembered
    found = json.loads((tmp_path / "run" / "results.json").read_text())["data"]["problems"]["EmoDB"]
    assert found["kinds"] == {"empty": 1}
    assert str(corpus / "Col\udce8re") in found["first"][0]
    assert main(["test", "--ckpt", str(tmp_path / "run" / "best.ckpt"), "--out", str(tmp_path / "test")]) == 0


def test_a_corpus_below_such_a_folder_is_inspected(corpus, tmp_path):
    out = tmp_path / "inspection"
    assert main(["corpus", "inspect", "EmoDB", "--root", str(corpus), "--out", str(out)]) == 0
    (problem,) = json.loads((out / "inspection.json").read_text())["problems"]
    assert Path(problem["path"]).parent == corpus / "Col\udce8re"


def test_what_such_a_name_cannot_be_used_for_is_one_message(corpus, fit_words, tmp_path, capfdbinary):
    capfdbinary.readouterr()
    table = tmp_path / "a.csv"
    assert main(["corpus", "manifest", "EmoDB", "--root", str(corpus), "--out", str(table)]) == 1
    assert b"not UTF-8 text, which a manifest cannot hold" in capfdbinary.readouterr().err
    assert not table.exists()
    out = ["--out", str(tmp_path / "run")]
    assert main([*fit_words[:4], str(corpus / "Col\udce8re"), *fit_words[5:], *out]) == 2
    assert b"not UTF-8 text, which options cannot contain" in capfdbinary.readouterr().err
