"""What the trainings of a study forget of their sources, from the command line."""

import json

import pandas as pd
import pytest
import yaml

import sercl
from sercl.cli.main import main
from sercl.errors import ResultsError
from sercl.studies.cross_eval.run import pieces
from sercl.studies.cross_eval.run.results import cell_folder
from sercl.studies.cross_eval.study_file import FORGETTING, read_study
from sercl.studies.results.forgetting import Forgetting, SourceTest
from sercl.studies.results.predictions import Predictions
from sercl.tasks.classification import EmotionClassifier


@pytest.fixture(scope="module")
def content(crossed, tmp_path_factory):
    """A study with two stages and few-shot; its store is shared by the tests of this file."""
    settings = ["monolingual", "zero-shot", "two-stage", "few-shot"]
    options = {"settings": settings, "shots": [0, 1], "draws": 2, "seeds": [1, 2], "folds": [0, 1]}
    return {
        "study": {**crossed, **options},
        "trainer": {"max_epochs": 2, "accelerator": "cpu"},
        "features": {"dir": str(tmp_path_factory.mktemp("store"))},
    }


@pytest.fixture
def study_file(content, tmp_path):
    """Write the study with some of its keys changed, and return the file."""

    def write(**changes):
        path = tmp_path / "study-in.yaml"
        path.write_text(yaml.safe_dump({**content, "study": {**content["study"], **changes}}))
        return str(path)

    return write


def run(path, out, *more):
    return main(["cross-eval", "-c", str(path), "--out", str(out), *more])


ADAPTED = {"adapters": ["lora"], "seeds": [5], "folds": [0], "train": ["EmoDB"], "test": ["RAVDESS"]}


def times(out):
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("cells/*/cell.json")}


@pytest.fixture(scope="module")
def done(content, tmp_path_factory):
    """A finished study of a frozen encoder; not to be changed."""
    folder = tmp_path_factory.mktemp("study")
    path = folder / "in.yaml"
    path.write_text(yaml.safe_dump(content))
    assert run(path, folder / "out") == 0
    return path, folder / "out"


def test_the_source_is_tested_before_and_after_the_second_stage_and_few_shot(done):
    _, out = done
    study = read_study(out)
    assert {own.status for own in study.forgetting} == {"done"}
    assert [own.cell for own in study.forgetting] == [
        own.cell
        for own in study.records
        if own.cell.condition.setting == "two-stage"
        or (own.cell.condition.setting, own.cell.condition.shots) == ("few-shot", 1)
    ]
    own_models = {
        (own.cell.condition.target, own.cell.fold): own.address
        for own in study.records
        if own.cell.condition.setting == "monolingual"
    }
    for own in study.forgetting:
        assert own.before == own_models[own.corpus, own.cell.fold], "the monolingual test is not done twice"
        folder = cell_folder(out, own.after)
        assert (folder / "cell.json").is_file()
        assert own.utterances == len(pd.read_parquet(folder / "predictions.parquet"))


def test_the_source_is_tested_on_the_list_that_is_saved(done):
    _, out = done
    frame, study = pd.read_parquet(out / FORGETTING), read_study(out)
    cells = {own.cell: own.address for own in study.records}
    checked = 0
    for own in study.forgetting:
        path = cell_folder(out, cells[own.cell]) / "folds" / "source-test.csv"
        if path.is_file():  # other seeds have the same
            listed = {name.removesuffix(".wav") for name in pd.read_csv(path)["file"]}
            assert set(frame.loc[frame["cell"] == own.after, "utterance"]) == listed
            checked += 1
    assert checked >= 4
    assert "source test</a>" in (out / "report.html").read_text()


def test_scores_are_those_of_the_predictions(done):
    _, out = done
    table, frame = pd.read_csv(out / "forgetting.csv"), pd.read_parquet(out / FORGETTING)
    own = frame[(frame["setting"] == "two-stage") & (frame["source"] == "EmoDB")]
    before, after = (Predictions.from_frame(own[own["when"] == when]) for when in ("before", "after"))
    expected = Forgetting.of(SourceTest("EmoDB", before, after))
    row = table.query("setting == 'two-stage' and source == 'EmoDB' and score == 'uar'").iloc[0]
    assert row["before"] == pytest.approx(expected.before["uar"].value, abs=1e-5)
    assert row["after_low"] == pytest.approx(expected.after["uar"].low, abs=1e-5)
    assert row["difference"] == pytest.approx(expected.paired.difference.value, abs=1e-5)
    assert row["p"] == pytest.approx(expected.paired.p_holm, abs=1e-5)
    assert row["p_holm"] >= row["p"]


def test_it_is_in_every_report_and_apart_from_the_scores_of_targets(done, capsys):
    _, out = done
    for name in ("report.html", "report.md", "report.tex"):
        assert "Forgetting" in (out / name).read_text(), name
    assert main(["cross-eval", "report", str(out)]) == 0
    assert "Forgetting: UAR (%) on the source" in " ".join(capsys.readouterr().out.split())
    found, table = sercl.read_results(out), pd.read_csv(out / "forgetting.csv")
    assert list(found.forgetting["difference"].round(5)) == list(table["difference"].round(5))
    targets = pd.read_parquet(out / "predictions.parquet")
    assert set(targets["cell"]) == {own.address for own in read_study(out).records}
    assert len(found.predictions) == len(targets)
    for condition, rows in targets.groupby(["setting", "source", "target"], observed=True):
        own = targets[(targets["setting"] == "monolingual") & (targets["target"] == condition[2])]
        assert set(rows["utterance"]) == set(own["utterance"]), condition


def test_a_finished_study_is_not_run_again(done, capsys):
    path, out = done
    before = times(out)
    assert run(path, out) == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert times(out) == before


def test_a_study_of_an_earlier_version_only_tests_its_sources(study_file, tmp_path, monkeypatch, capsys):
    """With an adapter, this takes a pass over the source's test part with the checkpoint that is there."""
    path, out = study_file(**ADAPTED | {"settings": ["two-stage"]}), tmp_path / "out"
    assert run(path, out) == 0
    (own,) = read_study(out).forgetting
    kept = pd.read_parquet(out / FORGETTING)
    content = json.loads((out / "study.json").read_text())
    del content["forgetting"]
    (out / "study.json").write_text(json.dumps(content))
    (out / FORGETTING).unlink()
    for address in (own.before, own.after):
        (cell_folder(out, address) / "cell.json").unlink()
    before = times(out)
    monkeypatch.setattr(EmotionClassifier, "training_step", lambda *_: pytest.fail("is trained already"))
    capsys.readouterr()
    assert run(path, out, "--dry-run") == 0
    assert "Remaining: 2 tests, 2 trainings" in " ".join(capsys.readouterr().out.split())
    assert run(path, out) == 0
    assert {name: when for name, when in times(out).items() if name in before} == before
    pd.testing.assert_frame_equal(pd.read_parquet(out / FORGETTING), kept)


def test_before_is_the_state_that_the_second_stage_continued_from(study_file, emodb, tmp_path):
    """The last weights, where these were continued from; the best are another model here."""
    path, out = study_file(**ADAPTED | {"settings": ["two-stage"], "continue_from": "last"}), tmp_path / "out"
    first_is_best = ["--checkpoint.monitor", "epoch", "--checkpoint.mode", "min"]
    assert run(path, out, *first_is_best) == 0
    (last,) = out.glob("trainings/*/last.ckpt")
    frame = pd.read_parquet(out / FORGETTING)
    rows = frame[frame["when"] == "before"]
    clips = [f"{emodb}/wav/{name}.wav" for name in rows["utterance"]]
    for weights, is_that in ((last, True), (last.parent / "best.ckpt", False)):
        found = sercl.load(weights, device="cpu").predict(clips)
        differences = [own.probabilities["sad"] - p for own, p in zip(found, rows["p_sad"], strict=True)]
        assert (max(map(abs, differences)) < 1e-5) is is_that


def test_a_test_of_a_source_that_fails_takes_no_cell_down(study_file, tmp_path, monkeypatch, capsys):
    test = pieces._test

    def failing(work, task, result, address, tested):
        if work.training.start is not None and tested.corpus == "EmoDB":
            raise RuntimeError("no more memory")
        test(work, task, result, address, tested)

    path, out = study_file(**ADAPTED | {"settings": ["two-stage"]}), tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(pieces, "_test", failing)
        assert run(path, out) == 1
    study = read_study(out)
    assert [own.status for own in study.records] == ["done"]
    assert [own.status for own in study.forgetting] == ["failed"]
    assert "Failed: test of EmoDB for tiny, lora, two-stage" in " ".join(capsys.readouterr().out.split())
    assert "1 test of sources failed" in (out / "report.md").read_text()
    with pytest.raises(ResultsError, match="1 test of sources failed or missing"):
        sercl.read_results(out)
    assert sercl.read_results(out, incomplete=True).forgetting.empty
    assert run(path, out) == 0
    assert [own.status for own in read_study(out).forgetting] == ["done"]
    assert len(sercl.read_results(out).forgetting)


def test_without_two_stages_or_shots_there_is_nothing(study_file, tmp_path):
    out = tmp_path / "out"
    assert run(study_file(settings=["two-stage"], seeds=[1], folds=[0]), out) == 0
    assert (out / FORGETTING).is_file()
    assert run(study_file(settings=["monolingual"], seeds=[1], folds=[0]), out) == 0
    assert not (out / FORGETTING).exists()
    assert not (out / "forgetting.csv").exists()
    assert json.loads((out / "study.json").read_text())["forgetting"] == []
    assert "Forgetting" not in (out / "report.md").read_text()
    assert sercl.read_results(out).forgetting.empty
