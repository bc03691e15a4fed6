"""Scores by group, from every command that scores predictions."""

import json
import shutil

import pandas as pd
import pytest

import sercl
from sercl.cli.main import main
from sercl.studies.cross_eval.study_file import PREDICTIONS
from sercl.studies.training.results import read
from sercl.testing.corpora import fake_dialects
from sercl.testing.studies import Grid, fake_study
from sercl.testing.studies.grid import CORPORA, ENCODERS
from tests.cli.test_json import check


@pytest.fixture(scope="module")
def words(encoder, tmp_path_factory):
    """Arguments of a small fit on a corpus with two dialects, without `--out`."""
    return [
        "--data", "Manifest", "--data.root", str(fake_dialects(tmp_path_factory.mktemp("german"))),
        "--data.folds.count", "3", "--model.encoder", encoder, "--model.whisper_form", "short",
        "--model.layer", "1", "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu",
        "--preprocess.trim", "none", "--preprocess.loudness", "none",
        "--features.dir", str(tmp_path_factory.mktemp("store")),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def run(words, tmp_path_factory):
    """A run of one fold whose results are grouped."""
    folder = tmp_path_factory.mktemp("groups") / "run"
    assert main(["fit", *words, "--group_by", "gender,room", "--out", str(folder)]) == 0
    return folder


def results(folder):
    return json.loads((folder / "results.json").read_text())


def test_a_run_has_the_scores_of_groups(run):
    found = {own["column"]: own for own in results(run)["groups"]}
    assert list(found) == ["gender", "room"]
    rooms = {group["value"]: group for group in found["room"]["groups"]}
    assert {name: group["utterances"] for name, group in rooms.items()} == {"studio": 16, "office": 16}
    assert set(rooms["office"]["scores"]) >= {"uar", "wa", "macro_f1", "recall/sad"}
    assert [own["reason"] for own in found["gender"]["differences"]] != [""]
    assert [own.to_dict() for own in read(run).groups] == results(run)["groups"]
    assert "group_by" not in (run / "config.yaml").read_text()


def test_predictions_hold_what_is_known_of_the_utterances(run):
    frame = pd.read_csv(run / "predictions.csv", dtype=str)
    assert list(frame.columns[-6:]) == ["gender", "language", "dialect", "session", "corpus", "x_room"]
    assert set(frame["dialect"].dropna()) == {"bavarian"}


def test_a_checkpoint_is_tested_by_group(run, tmp_path, capsys):
    ckpt = ["test", "--ckpt", str(run / "best.ckpt"), "--trainer.accelerator", "cpu"]
    assert main([*ckpt, "--group_by", "room", "--out", str(tmp_path / "test")]) == 0
    assert "Scores by room" in capsys.readouterr().out
    (own,) = results(tmp_path / "test")["groups"]
    assert own == results(run)["groups"][1]


@pytest.mark.parametrize(
    ("column", "message"),
    [("mood", "unknown column of group_by 'mood'. Valid: gender, "), ("language", "all utterances are 'de'")],
)
def test_columns_are_checked_before_training(words, tmp_path, capsys, column, message):
    assert main(["fit", *words, "--group_by", column, "--out", str(tmp_path / "run")]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_all_folds_are_grouped_together(words, tmp_path, capsys):
    folder = tmp_path / "run"
    several = ["--data.folds.index", "all", "--group_by", "dialect"]
    assert main(["fit", *words, *several, "--out", str(folder)]) == 0
    assert "Scores by dialect" in capsys.readouterr().out
    (own,) = results(folder)["groups"]
    sizes = {group["value"]: (group["utterances"], group["speakers"]) for group in own["groups"]}
    assert sizes == {"standard": (48, 6), "bavarian": (32, 4)}
    assert "groups" not in results(folder / "fold-0")


def test_a_finished_run_is_grouped_without_training(run, capsys):
    assert main(["compare", str(run), "--group_by", "room", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    check("compare RUN --group_by COLUMN", content)
    found = content["groups"]
    assert found == [{"condition": None, **results(run)["groups"][1]}]
    frame = sercl.read_results(run, group_by=["room"]).groups
    assert frame["group"].unique().tolist() == ["office", "studio", "office - studio"]


def test_two_runs_are_compared_by_group(run, capsys):
    assert main(["compare", str(run), str(run), "--group_by", "gender", "room", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["groups"]
    assert [(own["column"], own["value"]) for own in found] == [
        ("gender", "female"), ("gender", "male"), ("room", "office"), ("room", "studio"),
    ]  # fmt: skip
    assert {own["paired"]["difference"]["value"] for own in found} == {0.0}
    assert main(["compare", str(run), str(run), "--group_by", "room"]) == 0
    assert "Groups by room; p is corrected for all of them" in capsys.readouterr().out


def test_one_run_alone_needs_a_column(run, capsys):
    assert main(["compare", str(run)]) == 2
    assert "missing: RUN_B. Give two folders; or one with --group_by" in capsys.readouterr().err


def test_predictions_of_an_earlier_version(run, tmp_path, capsys):
    folder = shutil.copytree(run, tmp_path / "run")
    frame = pd.read_csv(folder / "predictions.csv", dtype=str, keep_default_na=False)
    frame[
        [
            name
            for name in frame
            if name not in ("gender", "x_room", "dialect", "session", "language", "corpus")
        ]
    ].to_csv(folder / "predictions.csv", index=False)
    assert main(["compare", str(folder), str(run)]) == 0
    assert main(["compare", str(folder), "--group_by", "room"]) == 2
    assert "earlier version: write them again" in " ".join(capsys.readouterr().err.split())


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study with frozen encoders and the genders of its speakers."""
    folder = tmp_path_factory.mktemp("study")
    corpora = {name: CORPORA[name] for name in ("EmoDB", "RAVDESS")}
    encoders = {"whisper-base": ENCODERS["whisper-base"]}
    grid = Grid(corpora, encoders, adapters=["none"], settings=["monolingual", "zero-shot"])
    fake_study(folder, grid, known={"gender": ("female", "male")})
    return folder


def test_a_study_is_reported_by_group(study, capsys):
    assert main(["cross-eval", "report", str(study), "--group_by", "gender"]) == 0
    assert "Scores by gender" in capsys.readouterr().out
    frame = pd.read_csv(study / "groups.csv")
    assert set(frame["group"]) == {"female", "male", "female - male"}
    assert len(frame.query("group == 'female - male'")) == 4
    assert frame.query("group == 'female - male'")["p_holm"].notna().all()
    for name in ("report.md", "report.html"):
        text = (study / name).read_text()
        assert "Differences between groups by gender" in text
        assert "Welch" in text
    assert "Scores by gender" in (study / "report.tex").read_text()


def test_a_study_is_reported_without_groups_as_before(study):
    assert main(["cross-eval", "report", str(study), "--format", "md", "--quiet"]) == 0
    assert "Groups" not in (study / "report.md").read_text()
    with pytest.raises(Exception, match="mood"):
        sercl.read_results(study, group_by=["mood"])
    assert (study / PREDICTIONS).is_file()
