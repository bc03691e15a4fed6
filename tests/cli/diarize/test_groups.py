"""`--group_by` of `sercl diarize fit` and `evaluate`."""

import json

import pytest

from sercl.cli.main import main
from sercl.studies.diarization.results import read


def test_groups_of_recordings_are_in_table_and_file(folds, tmp_path, capsys):
    checkpoints = [str(folds / "diarizer" / f"fold{index}" / "best.ckpt") for index in range(3)]
    assert main(["diarize", "evaluate", *checkpoints, "--group_by", "gender", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "Scores by gender" in out
    assert "EDER (points), first minus second" in out
    content = json.loads((tmp_path / "results.json").read_text())
    (grouping,) = content["groups"]
    assert (grouping["column"], grouping["score"], grouping["counted"]) == ("gender", "eder", "recordings")
    assert {own["value"] for own in grouping["groups"]} == {"female", "male"}
    recordings = content["systems"][0]["scores"]["recordings"]
    assert sum(own["utterances"] for own in grouping["groups"]) == recordings
    assert [own.column for own in read(tmp_path).groups] == ["gender"]


@pytest.mark.parametrize("column", ["room", "language"])
def test_what_cannot_be_grouped_is_refused_before_training(diarize_words, tmp_path, capsys, column):
    assert main([*diarize_words, "--group_by", column, "--out", str(tmp_path / "run")]) == 2
    assert f"group_by {column}" in capsys.readouterr().err.replace("'", "").replace(
        "column of group_by: ", "group_by "
    )
    assert not (tmp_path / "run" / "best.ckpt").exists()


def test_groups_of_all_folds_are_scored_together(diarize_words, tmp_path, capsys):
    words = [*diarize_words, "--data.folds.index", "all", "--trainer.max_epochs", "1", "--group_by", "gender"]
    assert main([*words, "--out", str(tmp_path / "run"), "--json"]) == 0
    (grouping,) = json.loads(capsys.readouterr().out)["groups"]
    assert {own["value"] for own in grouping["groups"]} == {"female", "male"}
    assert sum(own["utterances"] for own in grouping["groups"]) > 0
