"""A run continues from any folder, and a home that cannot be written does not end it."""

import os
from pathlib import Path

import pytest
import yaml

from sercl.cli import own_settings
from sercl.cli.lightning import with_absolute_paths
from sercl.cli.main import main
from sercl.cli.own_settings import usable_store
from sercl.features.config import FeatureConfig


def test_what_is_on_disk_gets_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus").mkdir()
    (tmp_path / "a.csv").touch()
    options = {
        "data": {"init_args": {"root": "corpus", "labels": "4", "folds": {"lists": ["a.csv", "b.csv"]}}},
        "model": {"encoder": "whisper-base", "layer": "corpus"},
        "features": {"dir": None},
        "long": {"root": "x" * 5000},
    }
    assert with_absolute_paths(options) == {
        "data": {
            "init_args": {
                "root": str(tmp_path / "corpus"),
                "labels": "4",
                "folds": {"lists": [str(tmp_path / "a.csv"), "b.csv"]},
            }
        },
        "model": {"encoder": "whisper-base", "layer": "corpus"},
        "features": {"dir": None},
        "long": {"root": "x" * 5000},
    }


def test_a_run_goes_on_and_is_tested_from_another_folder(
    fit_words, emodb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word if word != emodb else "corpus" for word in fit_words]
    (tmp_path / "corpus").symlink_to(emodb)
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--out", "run", "--trainer.max_epochs=3"]) == 0, capsys.readouterr().err
    kept = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert kept["data"]["init_args"]["root"] == str(tmp_path / "corpus")
    monkeypatch.chdir("/")
    run = tmp_path / "run"
    assert main(["test", "--ckpt", str(run / "best.ckpt")]) == 0, capsys.readouterr().err
    again = ["fit", "-c", str(run / "config.yaml"), "--out", str(run), "--resume"]
    assert main(again) == 0, capsys.readouterr().err


def test_an_unwritable_cache_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own_settings._warn_once.cache_clear()
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(own_settings.tempfile, "gettempdir", lambda: str(tmp_path))
    config = usable_store(FeatureConfig())
    assert config.folder == tmp_path / f"sercl-{os.getuid()}" / "features"
    assert usable_store(FeatureConfig()) == config
    assert capsys.readouterr().err.count("cannot be written") == 1
    assert usable_store(FeatureConfig(dir="x")) == FeatureConfig(dir="x")
