"""What a user can get wrong: one message and the right exit code, or a counted report; never a trace."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sercl import tasks
from sercl.cli.main import main
from sercl.errors import EncoderError
from sercl.studies.cross_eval.plan import recipes
from sercl.testing.corpora import fake_corpus, tone

RATE = 16_000
DAMAGES = {
    "unreadable": lambda path: path.write_bytes(b"RIFF, and then nothing"),
    "empty": lambda path: path.write_bytes(b""),
    "silent": lambda path: soundfile.write(path, np.zeros(RATE), RATE),
    "short": lambda path: soundfile.write(path, tone("sad", 0.01, RATE), RATE),
    "nan": lambda path: soundfile.write(path, np.full(RATE, np.nan), RATE, subtype="FLOAT"),
}


@pytest.fixture
def fails(capsys):
    """Run a command that must fail, and return its one message."""

    def run(code, *words):
        assert main([str(word) for word in words]) == code
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("error: ") == 1
        assert "Traceback" not in error
        assert "defect" not in error
        return error

    return run


@pytest.fixture
def fit(encoder, tmp_path):
    """The command line of a fit on any data."""
    return [
        "fit", "--model.encoder", encoder, "--model.whisper_form", "short", "--model.layer", "1",
        "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu", "--out", str(tmp_path / "run"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint(fit_words, tmp_path_factory):
    """A checkpoint whose run lies beside it."""
    folder = tmp_path_factory.mktemp("bad") / "run"
    words = [*fit_words, "--model.layer", "1", "--trainer.max_epochs", "1", "--out", str(folder)]
    assert main(words) == 0
    return folder / "best.ckpt"


@pytest.fixture
def corpus(emodb, tmp_path):
    """A copy of the fake EMO-DB, to be damaged."""
    return Path(shutil.copytree(emodb, tmp_path / "emodb"))


def clips(root, letters="WFNT"):
    """Files of a fake EMO-DB by the letter of their emotion; by default those with a class."""
    return sorted(path for path in Path(root).rglob("*.wav") if path.stem[5] in letters)


def on(root, name="EmoDB"):
    return ["--data", name, "--data.root", root]


def results(folder):
    return json.loads((folder / "results.json").read_text())


# Roots that are not the corpus.


@pytest.fixture(params=["absent", "file", "empty", "other"])
def wrong_root(request, tmp_path, ravdess):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    return ravdess if request.param == "other" else tmp_path / request.param


def test_a_wrong_root(wrong_root, fit, checkpoint, tmp_path, fails):
    commands = [
        [*fit, *on(wrong_root)],
        ["test", "--ckpt", checkpoint, *on(wrong_root)],
        ["corpus", "inspect", "EmoDB", "--root", wrong_root],
        ["corpus", "manifest", "EmoDB", "--root", wrong_root, "--out", tmp_path / "a.csv"],
    ]
    for words in commands:
        assert f"EmoDB: {wrong_root}: " in fails(1, *words)
    assert not (tmp_path / "a.csv").exists()


@pytest.fixture
def _no_encoder(monkeypatch):
    """Let whatever would load an encoder fail, as a download without a network does."""

    def fetch(*args, **options):
        raise EncoderError("fetched")

    for place in (tasks.models, recipes):
        monkeypatch.setattr(place, "load_encoder", fetch)
    monkeypatch.setattr(tasks.models.EncoderModel, "restore", fetch)


@pytest.mark.usefixtures("_no_encoder")
@pytest.mark.parametrize("command", ["fit", "all folds", "layer-probe", "diarize fit", "test", "cross-eval"])
def test_a_wrong_root_is_found_before_an_encoder_is_fetched(
    command, ravdess, fit, checkpoint, tmp_path, fails
):
    data, options = on(ravdess), ["--model.encoder", "openai/whisper-tiny", "--out", tmp_path / "run"]
    words = {
        "fit": ["fit", *data, *options],
        "all folds": ["fit", *data, *options, "--data.folds.index", "all"],
        "layer-probe": ["layer-probe", *data, *options],
        "diarize fit": ["diarize", "fit", *data, *options],
        "test": ["test", "--ckpt", checkpoint, *data],
        "cross-eval": [
            "cross-eval", "--study.encoders", "[openai/whisper-tiny]", "--out", tmp_path / "study",
            "--study.corpora", f"{{EmoDB: {{class_path: EmoDB, init_args: {{root: {ravdess}}}}}}}",
        ],
    }  # fmt: skip
    assert f"EmoDB: {ravdess}: " in fails(1, *words[command])


def test_a_run_is_not_replaced_by_a_call_with_a_wrong_root(checkpoint, ravdess, fit_words, fails):
    held = {path: path.read_bytes() for path in checkpoint.parent.rglob("*") if path.is_file()}
    fails(1, *fit_words[:4], ravdess, *fit_words[5:], "--out", checkpoint.parent, "--overwrite")
    assert {path: path.read_bytes() for path in checkpoint.parent.rglob("*") if path.is_file()} == held


def test_a_wrong_root_does_not_take_the_place_of_a_run(corpus, fit, fails):
    fails(1, *fit, *on(corpus / "absent"))
    assert main([*fit, *map(str, on(corpus))]) == 0


# Half a corpus.


def test_half_a_corpus_without_a_class(corpus, fit, fails):
    for path in clips(corpus, "T"):
        path.unlink()
    assert "no training utterance of sad" in fails(1, *fit, *on(corpus))


def test_half_a_corpus_whose_list_says_what_is_missing(tmp_path, fit, fails, capsys):
    root = fake_corpus("nEMO", tmp_path / "nemo", speakers=6, per_emotion=2)
    # One clip of each speaker and emotion goes.
    gone = sorted(path for path in root.rglob("*.wav") if path.stem.endswith("_1"))
    assert gone
    for path in gone:
        path.unlink()
    assert f"{len(gone)} missing" in fails(1, *fit, *on(root, "nEMO"))
    table = tmp_path / "a.csv"
    manifest = ["corpus", "manifest", "nEMO", "--root", root, "--out", table]
    assert f"{len(gone)} problems" in fails(1, *manifest)
    assert main(["corpus", "inspect", "nEMO", "--root", str(root)]) == 0
    assert f"Problems: {len(gone)} missing" in capsys.readouterr().out
    assert main([*map(str, [*fit, *on(root, "nEMO")]), "--data.on_error", "skip"]) == 0
    assert results(tmp_path / "run")["data"]["problems"]["nEMO"]["kinds"] == {"missing": len(gone)}


# Audio that cannot be used.


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_clip_stops_a_fit(kind, corpus, fit, tmp_path, fails):
    victim = clips(corpus)[0]
    DAMAGES[kind](victim)
    error = fails(1, *fit, *on(corpus))
    assert f"EmoDB: 1 problem (1 {kind})" in error
    assert str(victim) in error
    assert "--data.on_error skip" in error
    assert not (tmp_path / "run" / "config.yaml").exists()


@pytest.fixture
def damaged(corpus):
    """A corpus with a clip of each damage, of different speakers and emotions."""
    for place, damage in enumerate(DAMAGES.values()):
        damage(clips(corpus)[7 * place])
    return corpus


def test_damaged_clips_are_left_out_and_counted_on_request(damaged, fit, tmp_path, capsys):
    assert main([*map(str, [*fit, *on(damaged)]), "--data.on_error", "skip"]) == 0
    assert "left out" in capsys.readouterr().out
    data = results(tmp_path / "run")["data"]
    assert data["problems"]["EmoDB"]["kinds"] == dict.fromkeys(DAMAGES, 1)
    assert sum(sum(part["skipped"].values()) for part in data["splits"].values()) == len(DAMAGES)
    assert sum(part["utterances"] for part in data["splits"].values()) == len(clips(damaged)) - len(DAMAGES)


def test_damaged_clips_are_counted_by_an_inspection(damaged, capsys):
    assert main(["corpus", "inspect", "EmoDB", "--root", str(damaged), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sorted(problem["kind"] for problem in found["problems"]) == sorted(DAMAGES)


def test_damaged_clips_do_not_stop_a_prediction(damaged, checkpoint, tmp_path, capsys):
    words = ["predict", checkpoint, damaged / "wav", "--format", "csv", "--out", tmp_path / "a.csv"]
    assert main([*map(str, words)]) == 1
    error = capsys.readouterr().err
    total = len(list(damaged.rglob("*.wav")))
    assert f"{len(DAMAGES)} of {total} inputs could not be used" in error
    for place in range(len(DAMAGES)):
        assert f"error: {clips(damaged)[7 * place]}: " in error
    with (tmp_path / "a.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == total - len(DAMAGES)


# Labels, classes and speakers.


def test_an_unknown_label_of_a_manifest(corpus, fit, fails, tmp_path, capsys):
    table = tmp_path / "own.csv"
    rows = [f"{path},{'sad' if place else 'angrry'},s" for place, path in enumerate(clips(corpus))]
    table.write_text("path,emotion,speaker\n" + "\n".join(rows))
    for words in (
        [*fit, *on(table, "Manifest")],
        ["corpus", "manifest", "Manifest", "--root", table, "--out", tmp_path / "b.csv"],
    ):
        error = fails(1, *words)
        assert f"{table}:2: unknown emotion 'angrry'. Did you mean 'angry'" in error
    assert main(["corpus", "inspect", "Manifest", "--root", str(table)]) == 0
    assert "unknown emotion 'angrry'" in capsys.readouterr().out


def test_a_spreadsheet_with_words_of_its_own(corpus, fit, tmp_path):
    words = {"W": "Wut", "F": "Freude", "N": "neutral", "T": "TRAUER "}
    rows = [
        f"{path};{'Unklar' if place == 0 else words[path.stem[5]]};{path.stem[:2]}{' ' * (place % 2)}"
        for place, path in enumerate(clips(corpus))
    ]
    (tmp_path / "own.csv").write_bytes("\r\n".join(["Datei;Label;Wer", *rows]).encode("utf-16"))
    names = [
        "--data.columns.path",
        "Datei",
        "--data.columns.emotion",
        "Label",
        "--data.columns.speaker",
        "Wer",
    ]
    table = [*on(tmp_path / "own.csv", "Manifest"), *names, "--data.emotions", "{unklar: drop}"]
    assert main([*map(str, [*fit, *table])]) == 0
    found = results(tmp_path / "run")
    assert found["data"]["dropped"] == {"own": {"Unklar": 1}}
    assert any("written in several ways" in note for note in found["notes"])
    parts = [set(part["speakers"]) for part in found["data"]["splits"].values()]
    assert len(set.union(*parts)) == sum(map(len, parts)) == len({path.stem[:2] for path in clips(corpus)})


def test_an_unknown_label_of_a_file_name(corpus, fit, fails, tmp_path):
    clip = clips(corpus)[0]
    clip.rename(clip.with_stem(f"{clip.stem[:5]}X{clip.stem[6:]}"))
    assert "unknown emotion 'X'" in fails(1, *fit, *on(corpus))
    assert main([*map(str, [*fit, *on(corpus)]), "--data.on_error", "skip"]) == 0
    assert results(tmp_path / "run")["data"]["problems"]["EmoDB"]["kinds"] == {"label": 1}


def test_a_class_that_is_absent_from_the_tested_fold(emodb, fit, checkpoint, tmp_path, capsys):
    lists = Path(shutil.copytree(checkpoint.parent / "folds", tmp_path / "folds"))
    rows = (lists / "test.csv").read_text().splitlines()
    (lists / "test.csv").write_text("\n".join(row for row in rows if not row.endswith("sad")))
    words = [*fit, *on(emodb), "--data.folds.scheme", "csv", "--data.folds.lists", str(lists)]
    assert main(words) == 0
    found = results(tmp_path / "run")
    assert found["data"]["splits"]["test"]["classes"]["sad"] == 0
    assert "absent from test: sad" in found["notes"]
    assert found["scores"]["per_class"][3]["recall"] is None
    assert "no utterance of sad: UAR is the mean over the other classes" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "speakers"), [("EmoDB", 1), ("PAVOQUE", None)])
def test_one_speaker_only(name, speakers, tmp_path, fit, fails):
    root = fake_corpus(name, tmp_path / "one", speakers=speakers, seconds=0.15)
    assert "one speaker only" in fails(1, *fit, *on(root, name))


# Places, networks and versions.


def test_output_that_cannot_be_written(emodb, fit, checkpoint, tmp_path, fails):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "x"
    commands = [
        [*fit[:-2], *on(emodb), "--out", place],
        ["test", "--ckpt", checkpoint, "--out", place],
        ["validate", "--ckpt", checkpoint, "--out", place],
        ["predict", checkpoint, emodb + "/wav", "--out", f"{place}.csv"],
        ["corpus", "inspect", "EmoDB", "--root", emodb, "--out", place],
        ["corpus", "inspect", "EmoDB", "--root", emodb, "--figure", f"{place}.png"],
        ["corpus", "manifest", "EmoDB", "--root", emodb, "--out", f"{place}.csv"],
    ]
    for words in commands:
        assert "cannot be written" in fails(1, *words)


def rewritten(checkpoint, path, change):
    stored = torch.load(checkpoint, weights_only=True)
    change(stored)
    torch.save(stored, path)
    return path


@pytest.mark.parametrize("name", ["openai/whisper-base", "whisper-base", "wavlm-large"])
def test_an_encoder_of_the_hub_without_network(name, encoder, emodb, fit, checkpoint, tmp_path, fails):
    far_fit = [name if word == encoder else word for word in fit]
    assert "there is no network" in fails(1, *far_fit, *on(emodb))
    far = rewritten(
        checkpoint, tmp_path / "a.ckpt", lambda stored: stored["hyper_parameters"].update(encoder=name)
    )
    for words in (["predict", far, emodb + "/wav"], ["test", "--ckpt", far, *on(emodb)]):
        error = fails(1, *words)
        assert "there is no network" in error
        assert "--encoder FOLDER" in error


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda stored: stored["sercl"].update(format=99, version="9.9"), "format 99 of sercl 9.9"),
        (lambda stored: stored["hyper_parameters"].update(prompt="x"), "written by sercl"),
        (lambda stored: stored["hyper_parameters"]["adapters"].update(ia3={}), "option that this sercl does"),
        (lambda stored: stored["sercl"].update(task="diarization"), "this is a diarization checkpoint"),
        (lambda stored: stored.pop("sercl"), "not one of sercl"),
    ],
)
def test_a_checkpoint_of_another_version(change, said, emodb, checkpoint, tmp_path, fails):
    other = rewritten(checkpoint, tmp_path / "a.ckpt", change)
    for words in (
        ["predict", other, emodb + "/wav"],
        ["test", "--ckpt", other, *on(emodb)],
        ["validate", "--ckpt", other, *on(emodb)],
    ):
        assert said in fails(1, *words)


def test_a_checkpoint_that_is_cut_off(emodb, checkpoint, tmp_path, fails):
    (tmp_path / "a.ckpt").write_bytes(checkpoint.read_bytes()[:4000])
    assert "a.ckpt: not a checkpoint (" in fails(1, "predict", tmp_path / "a.ckpt", emodb + "/wav")
