"""Preprocessing through the commands: applied, stored, enforced."""

import json
from pathlib import Path

import pytest
import torch

import sercl
from sercl.audio.preprocess import PreprocessConfig
from sercl.audio.voice import Speech, VoiceDetector
from sercl.cli.main import main
from sercl.errors import UsageError
from sercl.tasks.classification import EmotionClassifier

TRIM = ["--preprocess.trim", "energy", "--preprocess.loudness", "rms"]


@pytest.fixture(scope="module")
def trimmed(fit_words, tmp_path_factory):
    """A run on trimmed clips at one level."""
    folder = tmp_path_factory.mktemp("trimmed") / "run"
    assert main([*fit_words, *TRIM, "--out", str(folder)]) == 0
    return folder


def test_a_checkpoint_holds_it_and_predicts_with_it(trimmed, emodb):
    checkpoint = torch.load(trimmed / "best.ckpt", weights_only=True)
    assert checkpoint["sercl"]["preprocess"] == PreprocessConfig(trim="energy", loudness="rms").to_dict()
    predictor = sercl.load(trimmed / "best.ckpt")
    for _, row in sercl.read_results(trimmed).predictions.head(5).iterrows():
        (clip,) = Path(emodb).rglob(f"{row['utterance']}.wav")
        (found,) = predictor.predict(clip)
        for name in predictor.classes:
            assert found.probabilities[name] == pytest.approx(row[f"p_{name}"], abs=1e-5)


def test_a_test_uses_it_and_refuses_other(trimmed, tmp_path, capsys):
    words = ["test", "--ckpt", str(trimmed / "best.ckpt"), "--json"]
    assert main(words) == 0
    stored = json.loads((trimmed / "results.json").read_text())["scores"]["uar"]
    assert json.loads(capsys.readouterr().out)["scores"]["uar"] == stored
    assert main([*words, *TRIM]) == 0
    capsys.readouterr()
    assert main([*words, "--preprocess.trim", "none"]) == 2
    error = capsys.readouterr().err
    assert "silence trimmed (energy" in error
    assert "as it was trained" in error


def test_data_with_other_preprocessing_is_refused_in_python(trimmed):
    task = EmotionClassifier.restore(trimmed / "best.ckpt")
    with pytest.raises(UsageError, match="the data: preprocessing is as recorded, but the model was trained"):
        task.use_preprocessing(PreprocessConfig.RAW, "the data")


def test_hidden_states_are_stored_apart(trimmed, fit_words, tmp_path):
    counts = []
    for number, options in enumerate(([], TRIM, [*TRIM, "--preprocess.margin", "0.2"], TRIM)):
        words = [*fit_words, *options, "--features.dir", str(tmp_path / "store")]
        assert main([*words, "--out", str(tmp_path / f"run{number}")]) == 0
        counts.append(len(list((tmp_path / "store").rglob("space.json"))))
    assert counts == [1, 2, 3, 3]


def test_pauses_are_left_out_in_training_and_prediction_alike(fit_words, emodb, tmp_path, monkeypatch):
    monkeypatch.setattr(VoiceDetector, "speech", lambda _, clips: [(Speech(0.1, 0.2),) for _ in clips])
    words, scores = [*fit_words, "--features.dir", str(tmp_path / "store")], {}
    for frames in ("all", "speech"):
        out = tmp_path / frames
        assert main([*words, "--preprocess.frames", frames, "--out", str(out)]) == 0
        predictor = sercl.load(out / "best.ckpt")
        row = sercl.read_results(out).predictions.iloc[0]
        (clip,) = Path(emodb).rglob(f"{row['utterance']}.wav")
        (found,) = predictor.predict(clip)
        scores[frames] = found.probabilities
        for name in predictor.classes:
            assert found.probabilities[name] == pytest.approx(row[f"p_{name}"], abs=1e-5)
    assert scores["all"] != scores["speech"]
