"""`sercl corpus` on fakes with the traps of real corpora, and manifests of every registered corpus."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sercl.cli.main import main
from sercl.corpora.registry import CORPORA, read_corpus
from sercl.data.datamodules import Manifest
from sercl.testing.corpora import fake_corpus

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")


def inspected(capsys, name, root):
    assert main(["corpus", "inspect", name, "--root", str(root)]) == 0
    return capsys.readouterr().out


def test_pavoque_s_text_gives_its_styles_away(tmp_path, capsys):
    root = fake_corpus("PAVOQUE", tmp_path / "pavoque", per_emotion=12, seconds=0.15)
    shown = inspected(capsys, "PAVOQUE", root)
    assert "neutral shares no text with the other emotions (score 1.00)" in shown
    assert (
        "Known of the whole corpus: neutral uses other sentences than the rest: text and style are" in shown
    )
    assert "Known of the whole corpus: one speaker: all scores are speaker-dependent" in shown


def test_a_corpus_without_a_trap_is_not_accused(tmp_path, capsys):
    # Every sentence in every emotion, by every speaker.
    root = fake_corpus("EmoDB", tmp_path / "emodb", speakers=6, per_emotion=4, seconds=0.15)
    assert "Confounds: none found" in inspected(capsys, "EmoDB", root)


def test_duplicate_and_silent_files_are_reported(tmp_path, capsys):
    root = fake_corpus("EmoDB", tmp_path / "emodb", speakers=4, per_emotion=2, seconds=0.15)
    assert "Duplicates: none" in inspected(capsys, "EmoDB", root)
    clips = sorted(root.rglob("*.wav"))
    same, other = (
        next(path for path in clips[1:] if (path.stem[5] == clips[0].stem[5]) is alike)
        for alike in (True, False)
    )
    samples, rate = soundfile.read(clips[0])
    for path in (same, other):
        soundfile.write(path, samples, rate)
    silent = [path for path in clips if path not in (clips[0], same, other)][:2]
    for path in silent:
        soundfile.write(path, np.zeros(8000), 16_000)
    shown = inspected(capsys, "EmoDB", root)
    assert "Problems: 2 silent" in shown
    assert all(path.name in shown for path in silent)
    # Silence is reported once, as silence.
    assert "Duplicates: 1 group" in shown
    assert "contradicting labels" in shown
    assert all(path.stem in shown for path in (clips[0], same, other))


@pytest.mark.parametrize("name", CORPORA)
@pytest.mark.parametrize("below", [True, False], ids=["inside", "outside"])
def test_a_manifest_lists_the_same_utterances(name, below, tmp_path):
    root = fake_corpus(name, tmp_path / "corpus", per_emotion=1, seconds=0.02, same_audio=True)
    suffix = SUFFIXES[sorted(CORPORA).index(name) % len(SUFFIXES)]
    table = (root if below else tmp_path / "elsewhere") / f"own{suffix}"
    assert main(["corpus", "manifest", name, "--root", str(root), "--out", str(table)]) == 0
    original, listed = read_corpus(name, root), Manifest(table).read()
    assert original.utterances
    assert listed.problems == ()
    assert listed.utterances == original.utterances


def test_a_manifest_trains_as_its_corpus_does(fit_words, emodb, tmp_path):
    table = tmp_path / "emodb.csv"
    assert main(["corpus", "manifest", "EmoDB", "--root", emodb, "--out", str(table)]) == 0
    words = [*fit_words, "--model.layer", "1", "--trainer.max_epochs", "1"]
    assert main([*words, "--out", str(tmp_path / "a")]) == 0
    own = {"EmoDB": "Manifest", emodb: str(table)}
    assert main([*(own.get(word, word) for word in words), "--out", str(tmp_path / "b")]) == 0
    first, second = (Path(tmp_path / run / "predictions.csv").read_text() for run in "ab")
    assert first == second
