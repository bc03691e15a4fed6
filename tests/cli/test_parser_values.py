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
        ({"checkpoint": 3}, "--checkpoint: 3 is not valid. Valid: a map of options"),
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
        ({"trainer": "x"}, "--trainer: 'x' is not valid. Valid: a map of options, or a YAML file with one."),
        ({"model": {"adapters": "x"}}, "error: --model.adapters: 'x' is not valid"),
        ({"trainer": "\0"}, "c.yaml:3: a text holds the character NUL"),
        ({"model": {"regularization": -0.5}}, "--model.regularization: -0.5 is not valid. Valid: a map"),
        ({"model": {"adapters": {"gating": []}}}, "--model.adapters.gating: [] is not valid"),
        ({"data": {"class_path": "EmoDB", "init_args": {"loader": 3}}}, "--data.loader: 3 is not valid"),
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
    assert "null" not in capsys.readouterr().err.replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"folds": [1]}, "--study.corpora.EmoDB.folds: [1] is"),
        ({"loader": 3}, "--study.corpora.EmoDB.loader: 3 is"),
        ({"augment": False}, "--study.corpora.EmoDB.augment: False is"),
    ],
    ids=str,
)
def test_a_value_that_a_study_does_not_take(
    options: dict[str, object], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.yaml"
    corpora = {"EmoDB": {"class_path": "EmoDB", "init_args": {"root": str(tmp_path), **options}}}
    file.write_text(yaml.safe_dump({"study": {"corpora": corpora, "encoders": ["whisper-tiny"]}}))
    assert main(["cross-eval", "-c", str(file), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert f"{said} not valid. Valid: a map of options." in error


@pytest.mark.parametrize(
    "options", [{"ckpt": 3}, {"ckpt": [[1]]}, {"baseline": 0.5}, {"device": {}}], ids=str
)
def test_a_value_that_the_evaluation_of_a_diarizer_does_not_take(
    options: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump(options))
    (tmp_path / "x.ckpt").touch()
    assert main(["diarize", "evaluate", str(tmp_path / "x.ckpt"), "-c", str(file)]) == 2
    error = capsys.readouterr().err
    assert f"--{next(iter(options))}: " in error
    assert "is not valid. Valid: a" in error


@pytest.mark.parametrize("name", ["JSONARGPARSE_DEFAULT_ENV", "JSONARGPARSE_DEBUG"])
def test_variables_set_no_option(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "true")
    monkeypatch.setenv("PL_SEED_EVERYTHING", "-1")
    monkeypatch.setenv("PL_CONFIG", "/dev/zero")
    assert main(["fit", "--data", "EmoDB", "--data.root", str(tmp_path), "--print_config"]) == 0
    assert "seed_everything: 42" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK", "SLURM_PROCID", "WORLD_SIZE"])
@pytest.mark.parametrize("value", ["x", "", "-1", "1.5"])
def test_ranks_that_are_no_numbers(
    name: str, value: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert main(["fit", "--data", "EmoDB", "--data.root", "x"]) == 2
    assert f"the environment variable {name} is {value!r}" in capsys.readouterr().err
