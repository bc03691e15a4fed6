"""`sercl.read_results` on what `fit` and `diarize fit` have written, with the runs that other tests share."""

import json
from pathlib import Path

import pytest
from lightning import seed_everything

import sercl
from sercl.data.datamodules import EmoDB
from sercl.errors import OutputError, UsageError
from sercl.json_text import json_text
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.scores import evaluate
from sercl.studies.training.fit import fit
from sercl.studies.training.trainers import TrainerOptions
from sercl.tasks.classification import EmotionClassifier


def stored(folder):
    return json.loads((folder / "results.json").read_text())


def test_the_figures_of_a_run_are_those_of_its_results(classifier):
    results, stored_results = sercl.read_results(classifier), stored(classifier)
    names = [name for name, own in stored_results["scores"].items() if isinstance(own, dict)]
    assert results.kind == "run"
    assert results.scores["score"].tolist() == names
    for row in results.scores.to_dict("records"):
        own = stored_results["scores"][row["score"]]
        assert {name: row[name] for name in own} == own
        assert (row["n"], row["part"], row["seed"], row["fold"]) == (
            stored_results["scores"]["n"],
            "test",
            42,
            0,
        )
        assert (row["data"], row["adapter"]) == ("EmoDB", "none")
        assert row["layer"] == stored_results["model"]["chosen_state"]
    columns = ["class", "recall", "precision", "f1", "support"]
    per_class = [
        [own[name] for name in ("name", *columns[1:])] for own in stored_results["scores"]["per_class"]
    ]
    found = results.classes[columns].astype(object)
    assert found.where(found.notna(), None).to_numpy().tolist() == per_class
    assert results.notes["note"].tolist() == stored_results["notes"]
    assert results.settings.loc[0, "data.init_args.folds.count"] == 5
    (stage,), again = stored_results["stages"], results.trainings.drop(columns="folder").to_dict("records")
    assert again == [stage]


def test_fit_in_python_gives_what_the_command_gives(classifier, emodb, encoder, tmp_path):
    seed_everything(42, verbose=False)
    data = EmoDB(emodb)
    task = EmotionClassifier(encoder, whisper_form="short", labels=data.label_map)
    options = TrainerOptions.of({"max_epochs": 1, "accelerator": "cpu"})
    found = fit(task, data, tmp_path / "run", options)
    assert (tmp_path / "run" / "predictions.csv").read_text() == (classifier / "predictions.csv").read_text()
    read, stored_results = sercl.read_results([tmp_path / "run", classifier]), stored(classifier)
    assert read.scores["value"].tolist()[:3] == read.scores["value"].tolist()[3:]
    assert read.scores["seed"].tolist() == [42] * 6
    assert json.loads(json_text(found.to_dict()))["scores"] == stored_results["scores"]
    written, mine = ({path.name for path in run.iterdir()} for run in (classifier, tmp_path / "run"))
    assert written - mine == {".lock", "config.yaml", "confusion.png"}
    clip = min(Path(emodb).rglob("*.wav"))
    assert sercl.load(tmp_path / "run" / "best.ckpt").predict(clip)[0].emotion in data.classes
    with pytest.raises(OutputError, match="is not empty"):
        fit(task, data, tmp_path / "run", options)
    with pytest.raises(UsageError, match=r"labels=data\.label_map"):
        fit(task, EmoDB(emodb, labels="6"), tmp_path / "other", options)


def test_runs_of_all_folds_are_one_table(folds):
    results = sercl.read_results(str(folds / "classifier" / "fold*"))
    assert results.scores.query("score == 'uar'")["fold"].tolist() == [0, 1, 2]
    assert results.folders == [str(folds / "classifier" / f"fold{index}") for index in range(3)]
    pooled = evaluate(Predictions.from_frame(results.predictions))
    assert pooled.n == len(results.predictions) == results.scores.query("score == 'uar'")["n"].sum()
    assert pooled.uar.unit == "speakers"


def test_the_figures_of_a_diarizer_are_those_of_its_results(diarizer):
    results, stored_results = sercl.read_results(diarizer), stored(diarizer)
    assert results.kind == "diarization"
    for system in stored_results["systems"]:
        own = results.scores.query(f"system == '{system['name']}'").set_index("score")
        for name in ("eder", "missed", "uar", "boundary_error"):
            score = own.loc[name, ["value", "low", "high", "unit", "count"]].to_dict()
            assert {name: None if value != value else value for name, value in score.items()} == (
                system["scores"][name]
            )
    segments = results.predictions
    assert (segments["end"] > segments["start"]).all()
    assert segments["confidence"].notna().eq(segments["system"].eq("diarizer")).all()
    assert results.trainings["epochs"].tolist() == [stage["epochs"] for stage in stored_results["stages"]]


def test_kinds_are_not_mixed(classifier, diarizer):
    with pytest.raises(UsageError, match=r"several kinds \(.*classifier.* is a run, .* is a diarization\)"):
        sercl.read_results([classifier, diarizer])
