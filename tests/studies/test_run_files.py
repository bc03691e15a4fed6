from pathlib import Path

import pytest

from sercl.errors import ResultsError, UsageError
from sercl.studies.run_files import read_finished, read_predictions
from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study
from tests.studies.runs import fake_run
from tests.studies.samples import CLASSES


def test_a_run_is_read_back(tmp_path: Path) -> None:
    config = {"model": {"adapter": "lora", "optimizer": {"head_lr": 0.1}}, "seed_everything": 42}
    run = read_finished(fake_run(tmp_path / "a", 0.8, config))
    assert (run.is_study, run.classes, list(run.predictions)) == (False, CLASSES, [None])
    own = run.predictions[None]
    assert (own.runs, len(own.truth), own.by_speaker) == (((0, 0),), 96, True)
    assert own.probabilities.argmax(axis=1).tolist() == own.predicted.tolist()
    assert run.settings["config.yaml"] == {
        "model.adapter": "lora", "model.optimizer.head_lr": 0.1, "seed_everything": 42,
    }  # fmt: skip
    assert run.settings["results.json"] == {
        "data.name": "EmoDB", "model.adapter": "none", "seed_everything": 0,
    }  # fmt: skip


def test_unknown_speakers_and_no_settings(tmp_path: Path) -> None:
    run = read_finished(fake_run(tmp_path / "a", 0.8, speakers=0, results=False))
    assert not run.predictions[None].by_speaker
    assert run.settings == {}


def test_a_study_is_read_back(tmp_path: Path) -> None:
    grid = Grid({"EmoDB": CORPORA["EmoDB"]}, {"w": ENCODERS["whisper-base"]}, ("none",), ("monolingual",))
    study = fake_study(tmp_path, grid)
    (tmp_path / "study.yaml").write_text("study:\n  draws: 3\n")
    found = read_finished(tmp_path)
    assert (found.is_study, tuple(found.predictions)) == (True, study.conditions)
    assert found.settings == {"study.yaml": {"study.draws": 3}}


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds neither predictions"):
        read_finished(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        read_finished(tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "No columns to parse"),
        ("utterance,speaker,truth,predicted,p_a,p_b\n", "holds no prediction"),
        ("file,emotion,a,b\nx,a,1,0\n", "lacks the columns utterance, speaker, truth, predicted"),
        ("utterance,speaker,truth,predicted,p_a,p_b\nx,s,a,c,1,0\n", "predicted 'c'; classes are a, b"),
        ("utterance,speaker,truth,predicted,p_a,p_b\nx,s,a,b,1\n", "a row without probabilities"),
        ("utterance,speaker,truth,predicted,p_a,p_b\nx,s,a,b,1,high\n", "could not convert .*'high'"),
        ("utterance,speaker,truth,predicted,p_a,p_b\nx,s\n", "a row without probabilities"),
    ],
)
def test_broken_predictions_are_one_message(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text(text)
    with pytest.raises(ResultsError, match=message) as caught:
        read_predictions(path)
    assert "sercl test --ckpt" in str(caught.value)


def test_broken_settings_are_one_message(tmp_path: Path) -> None:
    run = fake_run(tmp_path / "a", 0.8, {})
    (run / "config.yaml").write_text("a: [1\n")
    with pytest.raises(ResultsError, match="is not valid YAML"):
        read_finished(run)
    (run / "config.yaml").unlink()
    (run / "results.json").write_text("{}")
    with pytest.raises(ResultsError, match="is not a valid results file"):
        read_finished(run)
