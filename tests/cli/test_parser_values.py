"""Values that jsonargparse takes from a file without a look are one message before anything is done."""

from pathlib import Path

import pytest
import yaml

from sercl.cli.main import main


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"trainer": None}, "--trainer"),
        ({"trainer": 3}, "--trainer"),
        ({"checkpoint": 3}, "--checkpoint.verbose: null is not valid. Valid: true or false"),
        ({"model": {"adapter": None}}, "--model.adapter: null is not valid. Valid: a text."),
        ({"features": {"precision": None}}, "--features.precision: null is not valid"),
        (
            {"data": {"class_path": "EmoDB", "init_args": {"loader": None}}},
            "--data.loader: null is not valid",
        ),
        (
            {"data": {"class_path": "EmoDB", "init_args": {"folds": {"index": None}}}},
            "--data.folds.index: null",
        ),
        ({"json": "x"}, "--json: 'x' is not valid. Valid: true or false."),
        ({"no_cache": 3}, "--no_cache: 3 is not valid"),
        ({"trainer": {"devices": None}}, "--trainer.devices: null is not valid"),
    ],
    ids=str,
)
def test_a_value_that_an_option_does_not_take(
    options: dict[str, object], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump({"data": {"class_path": "EmoDB"}} | options))
    words = ["fit", "-c", str(file), "--data.root", str(tmp_path), "--out", str(tmp_path / "run")]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "defect" not in error


def test_nulls_stay_where_they_mean_something(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "c.yaml"
    options = {"data": {"class_path": "EmoDB"}, "trainer": {"max_epochs": None, "max_time": None}}
    file.write_text(yaml.safe_dump(options | {"features": {"workers": None}, "out": None}))
    assert main(["fit", "-c", str(file), "--data.root", str(tmp_path), "--out", str(tmp_path / "run")]) == 1
    assert "null" not in capsys.readouterr().err
