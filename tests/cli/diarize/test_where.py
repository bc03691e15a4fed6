"""Recordings selected with `where`, from the commands on diarization."""

import json

import pytest

from sercl.cli.main import main
from sercl.testing.corpora import fake_dialects


@pytest.fixture(scope="module")
def german(tmp_path_factory):
    """Six speakers of standard German and four of Bavarian, female and male in turn."""
    return str(fake_dialects(tmp_path_factory.mktemp("german")))


@pytest.fixture(scope="module")
def run(diarize_words, german, tmp_path_factory):
    """A diarizer of standard German."""
    folder = tmp_path_factory.mktemp("where") / "run"
    own = [
        "--data",
        "Manifest",
        "--data.root",
        german,
        "--data.folds.count",
        "3",
        "--trainer.max_epochs",
        "1",
    ]
    words = [*diarize_words[:2], *own, *diarize_words[6:]]
    assert main([*words, "--data.where.dialect", "standard", "--out", str(folder)]) == 0
    return folder


def results(folder):
    return json.loads((folder / "results.json").read_text())


def test_clips_are_built_from_selected_utterances(run):
    speakers = {name.split()[-1] for name in results(run)["data"]["speakers"]}
    assert speakers
    assert speakers <= {f"0{number}" for number in range(6)}
    assert "where:" in (run / "config.yaml").read_text()


def test_clips_of_other_selected_utterances_are_evaluated(run, german, capsys):
    words = ["diarize", "evaluate", str(run / "best.ckpt"), "--data", "Manifest", "--data.root", german]
    bavarian = ["--data.where.dialect", "bavarian", "--data.folds.count", "4", "--data.clips.voice", "none"]
    assert main([*words, *bavarian, "--data.clips.min_piece", "0.05", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["name"].startswith("german (dialect bavarian)")
    assert {name.split()[-1] for name in data["speakers"]} < {"06", "07", "08", "09"}
    assert main([*words, "--data.where.dialect", "saxon"]) == 2
    assert "'saxon'" in capsys.readouterr().err


def test_selected_recordings_are_evaluated(run, zed, capsys):
    words = ["diarize", "evaluate", str(run / "best.ckpt"), "--data", "ZED", "--data.root", str(zed)]
    assert main([*words, "--json"]) == 0
    everyone = json.loads(capsys.readouterr().out)["data"]["speakers"]
    first = everyone[0].split()[-1]
    assert main([*words, "--data.where.speaker", first, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert (data["recordings"], data["speakers"]) == (3, everyone[:1])
    assert data["name"] == f"ZED (speaker {first}), all recordings"
    assert f"3 of 18 utterances selected (speaker {first})" in data["notes"]
