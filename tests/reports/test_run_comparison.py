import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from sercl.reports.run_comparison import comparison_report, comparison_to_dict
from sercl.studies.comparison import RunComparison, compare
from sercl.studies.cross_eval.cells import Condition
from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study, typical_confusion
from tests.studies.runs import fake_run


def shown(comparison: RunComparison) -> str:
    buffer = io.StringIO()
    Console(file=buffer, width=120).print(comparison_report(comparison))
    return buffer.getvalue()


def test_two_runs(tmp_path: Path) -> None:
    first = fake_run(tmp_path / "a", 0.5, {"model": {"adapter": None}})
    second = fake_run(tmp_path / "b", 0.9, {"model": {"adapter": "lora"}}, seed=1)
    comparison = compare(first, second)
    text = shown(comparison)
    assert f"A: {first}" in text.replace("\n", "")
    assert " model.adapter   null   lora" in text
    row = comparison.rows[0]
    assert f"{100 * row.first['uar'].value:.1f} (" in text
    assert "Recall of happy" in text
    assert f"Both were tested on 96 utterances; their predictions differ for {row.paired.differ} of" in text
    assert f"B - A: UAR +{100 * row.paired.difference.value:.1f} points (" in text
    assert "every exchange of the predictions of 8 speakers: p = " in text
    assert "McNemar" not in text
    assert "Note" not in text


def test_what_a_test_cannot_say_is_said(tmp_path: Path) -> None:
    first = fake_run(tmp_path / "a", 0.5, speakers=5, results=False)
    second = fake_run(tmp_path / "b", 0.9, speakers=5, seed=1, utterances=[f"u{k}" for k in range(4, 64)])
    text = shown(compare(first, second))
    assert "With 5 speakers no difference can reach p below 0.062, and there is no 95 % interval." in text
    assert "Note: A tested 4 utterances that B did not, B 4 that A did not" in text
    assert "The settings cannot be compared" in text


def test_contradicting_labels_and_unknown_speakers(tmp_path: Path) -> None:
    first = fake_run(tmp_path / "a", 0.5, speakers=0)
    second = fake_run(tmp_path / "b", 0.9, speakers=0, seed=1)
    lines = (second / "predictions.csv").read_text().splitlines()
    lines[1] = lines[1].replace("angry", "sad", 1)
    (second / "predictions.csv").write_text("\n".join(lines))
    text = shown(compare(first, second))
    assert "1 utterance with different true classes" in text
    assert "McNemar's test of accuracy" in text
    assert (
        "Note: speakers are unknown or fewer than 5: intervals and the test resample utterances, not "
        "speakers, and are therefore too narrow for new speakers."
    ) in " ".join(text.split())


def test_two_studies(tmp_path: Path) -> None:
    grid = Grid(
        {"EmoDB": CORPORA["EmoDB"]}, {"w": ENCODERS["whisper-base"]}, ("none", "lora"), ("monolingual",)
    )
    for name in "ab":
        fake_study(tmp_path / name, grid if name == "a" else replace(grid, adapters=("none",), seeds=(7, 8)))
        (tmp_path / name / "study.yaml").write_text("study: {draws: 3}")
    text = shown(compare(tmp_path / "a", tmp_path / "b"))
    assert "The settings are identical (study.yaml)." in text
    assert "w, frozen, monolingual" in text
    paired = compare(tmp_path / "a", tmp_path / "b").rows[0].paired
    assert f"{paired.differ} of 160" in text
    assert "Only in A: w, lora, monolingual EmoDB" in text


def test_one_speaker_is_no_unit_of_a_test(tmp_path: Path) -> None:
    first, second = (
        fake_run(tmp_path / name, 0.5, speakers=1, seed=index) for index, name in enumerate("ab")
    )
    assert "Note: speakers are unknown or fewer than 5" in shown(compare(first, second))


def test_studies_name_the_conditions_without_speakers_and_those_that_guess(tmp_path: Path) -> None:
    corpora = {name: CORPORA[name] for name in ("EmoDB", "RAVDESS")}
    grid = Grid(corpora, {"w": ENCODERS["whisper-base"]}, ("none",), ("monolingual",), folds=2, seeds=(1,))

    def sad(condition: Condition) -> list[list[float]]:
        return [[0.0, 0.0, 0.0, 1.0]] * 4 if condition.target == "EmoDB" else typical_confusion(condition)

    for name, confusion in (("a", sad), ("b", typical_confusion)):
        fake_study(tmp_path / name, grid, confusion=confusion, speakers={"EmoDB": 8, "RAVDESS": 0})
    text = " ".join(shown(compare(tmp_path / "a", tmp_path / "b")).split())
    assert "A predicted one class for every utterance in w, frozen, monolingual EmoDB: its UAR" in text
    assert "fewer than 5 in w, frozen, monolingual RAVDESS: intervals and the test resample" in text
    assert "B predicted" not in text


def test_plain_data_is_json(tmp_path: Path) -> None:
    comparison = compare(fake_run(tmp_path / "a", 0.5), fake_run(tmp_path / "b", 0.9, seed=1))
    content = json.loads(json.dumps(comparison_to_dict(comparison), allow_nan=False))
    assert content["changes"] == {"seed_everything": [0, 1]}
    (result,) = content["results"]
    assert result["condition"] is None
    assert result["paired"]["test"]["unit"] == "speakers"
    assert result["first"]["uar"]["value"] == comparison.rows[0].first["uar"].value
