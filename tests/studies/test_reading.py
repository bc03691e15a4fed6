"""Results folders as data frames: those of studies, and what cannot be read."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_recall_fscore_support

import sercl
from sercl.errors import ResultsError, UsageError
from sercl.reports.cross_eval.formats import scores_csv
from sercl.studies.cross_eval.analysis.analysis import analyse
from sercl.studies.cross_eval.cells import CONDITION_FIELDS
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.scores import evaluate
from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study
from tests.studies.runs import fake_run

GRID = Grid(
    {"EmoDB": CORPORA["EmoDB"], "RAVDESS": CORPORA["RAVDESS"]},
    {"whisper-base": ENCODERS["whisper-base"]},
    ("none", "lora"),
    ("monolingual", "zero-shot", "few-shot"),
    shots=(1, 4),
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    fake_study(folder, GRID)
    (folder / "study.yaml").write_text("study:\n  draws: 2\nmodel:\n  pooling: mean\n")
    return folder


def test_the_scores_of_a_study_are_those_of_its_report(study: Path, tmp_path: Path) -> None:
    results = sercl.read_results(study)
    (tmp_path / "scores.csv").write_text(scores_csv(analyse(study)))
    report = pd.read_csv(tmp_path / "scores.csv")
    fields = ["encoder", "adapter", "setting", "source", "target", "shots"]
    wide = results.scores.pivot(index=fields, columns="score", values="value").reset_index()
    wide["shots"] = wide["shots"].astype(float)
    merged = report.merge(wide, on=fields, suffixes=("", "_read"), validate="one_to_one")
    assert len(merged) == len(report) == results.scores["score"].eq("uar").sum()
    for name in ("uar", "wa", "macro_f1", "ece"):
        np.testing.assert_allclose(merged[f"{name}_read"], merged[name], rtol=5e-6)
    uar = results.scores.query("score == 'uar'").reset_index()
    np.testing.assert_allclose(uar["low"], report["uar_low"], rtol=5e-6)
    assert uar["n"].tolist() == report["utterances"].tolist()
    assert set(uar["unit"]) == set(report["interval_over"])
    recalls = results.classes.query("`class` == 'sad'").reset_index()
    np.testing.assert_allclose(recalls["recall_high"], report["recall_sad_high"], rtol=5e-6)


def test_classes_and_predictions_of_a_study_fit_its_scores(study: Path) -> None:
    results = sercl.read_results(study)
    one = "adapter == 'lora' and setting == 'zero-shot' and target == 'EmoDB'"
    own = results.predictions.query(one)
    again = evaluate(Predictions.from_frame(own)).uar
    stored = results.scores.query(f"{one} and score == 'uar'").iloc[0]
    assert (again.value, again.low, again.high) == (stored["value"], stored["low"], stored["high"])
    _, _, f1, _ = precision_recall_fscore_support(
        *(results.predictions.query(f"{one} and seed == 1")[name] for name in ("truth", "predicted"))
    )
    single = replace_seeds(own)
    assert single == pytest.approx(f1)
    assert set(own.columns) >= {"cell", *CONDITION_FIELDS, "fold", "seed", "draw", "utterance", "p_sad"}
    assert len(results.trainings) == len(set(results.trainings["address"])) > 0
    assert results.trainings["parts.test"].sum() == len(results.predictions)
    assert results.settings.to_dict("records") == [
        {"folder": str(study), "study.draws": 2, "model.pooling": "mean"}
    ]


def replace_seeds(frame: pd.DataFrame) -> list[float]:
    """F1 of each class of the first seed alone."""
    return [row.f1 for row in evaluate(Predictions.from_frame(frame.query("seed == 1"))).per_class]


def test_an_unfinished_study_says_what_is_done(tmp_path: Path) -> None:
    fake_study(tmp_path, GRID, failed=2, missing=3)
    cells = len(list(GRID.conditions()))
    with pytest.raises(ResultsError) as caught:
        sercl.read_results(tmp_path)
    text = str(caught.value)
    assert "cells are done, 2 failed, 3 are missing. The first failure: out of GPU memory" in text
    assert f"`sercl cross-eval -c {tmp_path}/study.yaml --out {tmp_path}`, or pass incomplete=True" in text
    results = sercl.read_results(tmp_path, incomplete=True)
    assert results.scores["score"].eq("uar").sum() <= cells
    assert results.trainings["status"].value_counts()[["failed", "missing"]].tolist() == [2, 3]


def test_a_study_that_was_stopped_at_once(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("study: {}\n")
    (tmp_path / "cells" / "ab").mkdir(parents=True)
    (tmp_path / "cells" / "ab" / "cell.json").write_text("{}")
    with pytest.raises(UsageError, match=r"a study without study.json: .* after 1 test\. `sercl cross-eval"):
        sercl.read_results(tmp_path)


def test_folders_without_results_say_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(UsageError, match=r"is a file\. Give the folder of the results: "):
        sercl.read_results(tmp_path / "results.json")
    (tmp_path / "results.json").unlink()
    with pytest.raises(UsageError, match="no such folder"):
        sercl.read_results(tmp_path / "absent")
    with pytest.raises(UsageError, match=r"holds no results \(results.json or study.json\)\. Give"):
        sercl.read_results(tmp_path)
    (tmp_path / "run" / "best.ckpt").touch()
    with pytest.raises(UsageError, match=r"a run without results: .* --resume"):
        sercl.read_results(tmp_path / "run")
    (tmp_path / "run" / "results.json").write_text("{}")
    with pytest.raises(UsageError, match=rf"Below it, these do: {tmp_path}/run\."):
        sercl.read_results(tmp_path)
    with pytest.raises(ResultsError, match=r"is not a results file of a run, a layer probe or a diarizer"):
        sercl.read_results(tmp_path / "run")
    (tmp_path / "run" / "results.json").write_text('{"scores": {')
    with pytest.raises(ResultsError, match=r"results\.json: .*not valid JSON"):
        sercl.read_results(tmp_path / "run")
    with pytest.raises(UsageError, match="no folder matches this pattern"):
        sercl.read_results(str(tmp_path / "none-*"))
    with pytest.raises(UsageError, match="no folder was given"):
        sercl.read_results([])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"scores": {"n": 3, "uar": {"value": "high"}}},
            r"\[\.\.\.\]\.value: expected a number",
        ),
        ({"scores": {"n": 3}}, r"scores\.per_class is missing"),
        ({"part": 3}, "part: expected a text, got a whole number"),
        ({"stages": [{"epoch": 2}]}, r"stages\[0\]\.stage is missing"),
    ],
)
def test_damaged_results_are_one_message(tmp_path: Path, change: dict[str, object], message: str) -> None:
    scores = {"n": 0, "per_class": [], "confusion": []}
    whole = {
        "part": "test", "scores": scores, "notes": [], "data": {}, "model": {}, "environment": {},
        "seconds": 1,
    }  # fmt: skip
    fake_run(tmp_path / "run", 0.8)
    (tmp_path / "run" / "results.json").write_text(json.dumps(whole | change))
    with pytest.raises(ResultsError, match=message) as caught:
        sercl.read_results(tmp_path / "run")
    assert "sercl test --ckpt" in str(caught.value)


def test_a_record_of_an_older_version_is_read(tmp_path: Path) -> None:
    stage = {"stage": "train", "checkpoint": "best.ckpt", "monitor": "val/loss", "score": None, "epoch": 2}
    stage |= {"epochs": 3, "stopped_early": False, "chosen_state": 1, "seconds": 1.5}  # not what ended it
    uar = {"value": 0.5, "low": None, "high": None, "unit": "speakers", "count": 5}
    whole = {
        "part": "test", "scores": {"n": 96, "uar": uar, "per_class": [], "confusion": []}, "notes": ["old"],
        "data": {"name": "EmoDB"}, "model": {}, "stages": [stage], "environment": {"seed": 1}, "seconds": 1,
    }  # fmt: skip
    fake_run(tmp_path / "run", 0.8)
    (tmp_path / "run" / "results.json").write_text(json.dumps(whole))
    results = sercl.read_results(tmp_path / "run")
    assert results.trainings.loc[0, ["epoch", "ended_by"]].tolist() == [2, "epoch limit"]
    assert results.scores["score"].tolist() == ["uar"]
    assert results.scores["low"].isna().all()
    assert results.notes["note"].tolist()[0] == "old"


def test_a_repr_is_one_line(study: Path) -> None:
    text = repr(sercl.read_results([study, study]))
    assert text.startswith("Results (study, 2 folders), rows: scores 128, classes 128, predictions 12,800,")
