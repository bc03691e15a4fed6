"""`sercl.read_results` on what `fit` and `diarize fit` have written, with the runs that other tests share."""

import json

import pytest

import sercl
from sercl.errors import UsageError
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.scores import evaluate


def stored(folder):
    return json.loads((folder / "results.json").read_text())


def test_the_figures_of_a_run_are_those_of_its_results(classifier):
    results, told = sercl.read_results(classifier), stored(classifier)
    names = [name for name, own in told["scores"].items() if isinstance(own, dict)]
    assert results.kind == "run"
    assert results.scores["score"].tolist() == names
    for row in results.scores.to_dict("records"):
        own = told["scores"][row["score"]]
        assert {name: row[name] for name in own} == own
        assert (row["n"], row["part"], row["seed"], row["fold"]) == (told["scores"]["n"], "test", 42, 0)
        assert (row["data"], row["adapter"]) == ("EmoDB", "none")
        assert row["layer"] == told["model"]["chosen_state"]
    columns = ["class", "recall", "precision", "f1", "support"]
    per_class = [[own[name] for name in ("name", *columns[1:])] for own in told["scores"]["per_class"]]
    found = results.classes[columns].astype(object)
    assert found.where(found.notna(), None).to_numpy().tolist() == per_class
    assert results.notes["note"].tolist() == told["notes"]
    assert results.settings.loc[0, "data.init_args.folds.count"] == 5
    (stage,), again = told["stages"], results.trainings.drop(columns="folder").to_dict("records")
    assert again == [stage]


def test_runs_of_all_folds_are_one_table(folds):
    results = sercl.read_results(str(folds / "classifier" / "fold*"))
    assert results.scores.query("score == 'uar'")["fold"].tolist() == [0, 1, 2]
    assert results.folders == [str(folds / "classifier" / f"fold{index}") for index in range(3)]
    pooled = evaluate(Predictions.from_frame(results.predictions))
    assert pooled.n == len(results.predictions) == results.scores.query("score == 'uar'")["n"].sum()
    assert pooled.uar.unit == "speakers"


def test_the_figures_of_a_diarizer_are_those_of_its_results(diarizer):
    results, told = sercl.read_results(diarizer), stored(diarizer)
    assert results.kind == "diarization"
    for system in told["systems"]:
        own = results.scores.query(f"system == '{system['name']}'").set_index("score")
        for name in ("eder", "missed", "uar", "boundary_error"):
            score = own.loc[name, ["value", "low", "high", "unit", "count"]].to_dict()
            assert {name: None if value != value else value for name, value in score.items()} == (
                system["scores"][name]
            )
    segments = results.predictions
    assert (segments["end"] > segments["start"]).all()
    assert segments["confidence"].notna().eq(segments["system"].eq("diarizer")).all()
    assert results.trainings["epochs"].tolist() == [stage["epochs"] for stage in told["stages"]]


def test_kinds_are_not_mixed(classifier, diarizer):
    with pytest.raises(UsageError, match=r"several kinds \(.*classifier.* is a run, .* is a diarization\)"):
        sercl.read_results([classifier, diarizer])
