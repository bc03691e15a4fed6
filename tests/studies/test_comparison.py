from dataclasses import replace
from pathlib import Path

import pytest

from sercl.errors import UsageError
from sercl.studies.comparison import ABSENT, Change, changes, compare
from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study
from tests.studies.runs import fake_run

GRID = Grid({"EmoDB": CORPORA["EmoDB"]}, {"w": ENCODERS["whisper-base"]}, ("none", "lora"), ("monolingual",))


def test_two_runs_on_the_same_utterances(tmp_path: Path) -> None:
    base = {"model": {"adapter": "none", "layer": 3}, "seed_everything": 42}
    better = {"model": {"adapter": "lora", "layer": 3}, "seed_everything": 42}
    found = compare(fake_run(tmp_path / "a", 0.5, base), fake_run(tmp_path / "b", 0.95, better, seed=1))
    assert found.changes == (Change("model.adapter", "none", "lora"),)
    assert found.settings_file == "config.yaml"
    (row,) = found.rows
    difference = row.second["uar"].value - row.first["uar"].value
    assert row.paired.difference.value == pytest.approx(difference)
    assert difference > 0.2
    assert row.paired.test is not None
    assert row.paired.test.p < 0.01
    assert row.paired.p_holm == row.paired.test.p
    assert (row.paired.utterances, row.only_first, row.only_second) == (96, 0, 0)
    assert 0 < row.paired.differ < 96


def test_only_shared_utterances_are_tested(tmp_path: Path) -> None:
    first = fake_run(tmp_path / "a", 0.7)
    second = fake_run(tmp_path / "b", 0.7, seed=1, utterances=[f"u{index}" for index in range(24, 120)])
    (row,) = compare(first, second).rows
    assert (row.paired.utterances, row.only_first, row.only_second) == (72, 24, 24)


def test_the_settings_come_from_a_file_that_both_have(tmp_path: Path) -> None:
    trained, tested = fake_run(tmp_path / "a", 0.7, {"x": 1}), fake_run(tmp_path / "b", 0.7, seed=5)
    found = compare(trained, tested)
    assert (found.settings_file, found.changes) == ("results.json", (Change("seed_everything", 0, 5),))
    without = fake_run(tmp_path / "c", 0.7, results=False)
    assert compare(trained, without).settings_file is None


def test_options_that_one_side_lacks() -> None:
    """No value is as good as no option: a run and a layer probe differ in many of these."""
    assert changes({"a": 1, "b": [1], "d": None}, {"b": [1], "c": None, "d": 2}) == (
        Change("a", 1, ABSENT),
        Change("d", None, 2),
    )


def test_two_studies_condition_by_condition(tmp_path: Path) -> None:
    fake_study(tmp_path / "a", GRID)
    other = replace(GRID, adapters=("none", "gating"), seeds=(4, 5))
    fake_study(tmp_path / "b", other)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert [row.condition.adapter for row in found.rows if row.condition] == ["none"]
    assert [condition.adapter for condition in found.only_first] == ["lora"]
    assert [condition.adapter for condition in found.only_second] == ["gating"]
    assert found.rows[0].paired.utterances == 160


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    first = fake_run(tmp_path / "a", 0.7)
    elsewhere = fake_run(tmp_path / "b", 0.7, utterances=[f"other{index}" for index in range(96)])
    with pytest.raises(UsageError, match="share no tested utterance with the same true class"):
        compare(first, elsewhere)
    fewer = fake_run(tmp_path / "c", 0.7, classes=("angry", "happy"))
    with pytest.raises(UsageError, match="the classes differ, so the scores cannot be compared"):
        compare(first, fewer)
    fake_study(tmp_path / "study", GRID)
    with pytest.raises(UsageError, match="study is a study"):
        compare(first, tmp_path / "study")
    fake_study(tmp_path / "another", replace(GRID, encoders={"x": ENCODERS["whisper-base"]}))
    with pytest.raises(UsageError, match="share no condition"):
        compare(tmp_path / "study", tmp_path / "another")
