import json

import pytest
import yaml

from sercl.cli.main import main
from sercl.cli.run_checks import check_monitors, check_precision, check_resumed
from sercl.errors import ResultsError, UnknownNameError, UsageError


@pytest.mark.parametrize("name", [None, 32, "32", "32-true", 16, "bf16", "16-mixed", "bf16-mixed"])
def test_precisions_that_keep_the_weights_are_legal(name):
    check_precision(name)


@pytest.mark.parametrize("name", ["bf16-true", "16-true", 64, "transformer-engine"])
def test_other_precisions_are_refused_before_anything_is_done(name, fit_words, tmp_path, capsys):
    with pytest.raises(UnknownNameError, match="Valid: 32-true, bf16-mixed, 16-mixed"):
        check_precision(name)
    assert main([*fit_words, "--trainer.precision", str(name), "--out", str(tmp_path / "run")]) == 2
    assert "unknown --trainer.precision" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--early_stopping.monitor", "val/lss"], "unknown --early_stopping.monitor 'val/lss'. Did you mean"),
        (["--checkpoint.monitor", "val/uarr", "--checkpoint.mode", "max"], "Did you mean 'val/uar'"),
        (["--checkpoint.monitor", "val/uar"], "Give --checkpoint.mode max"),
        (["--early_stopping.monitor", "val/recall/sad"], "Give --early_stopping.mode max"),
    ],
)
def test_a_monitor_that_cannot_select_is_refused_before_anything_is_done(
    words, said, fit_words, tmp_path, capsys
):
    assert main([*fit_words, *words, "--out", str(tmp_path / "run")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def monitored(name, mode):
    return {
        "early_stopping": {"monitor": "val/loss", "mode": "min"},
        "checkpoint": {"monitor": name, "mode": mode},
    }


@pytest.mark.parametrize(
    ("name", "mode"),
    [("val/loss", "min"), ("val/uar", "max"), (None, "min"), ("epoch", "min"), ("step", "max")],
)
def test_numbers_that_can_select_are_legal(name, mode):
    check_monitors(monitored(name, mode), ["uar", "wa"])


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("EarlyStopping", "val/nope", "unknown --trainer.callbacks.monitor 'val/nope'"),
        ("EarlyStopping", "val/uar", "Give --trainer.callbacks.mode max"),
        ("ModelCheckpoint", "val/nope", "unknown --trainer.callbacks.monitor 'val/nope'"),
    ],
)
def test_further_callbacks_monitor_what_is_logged(kind, name, said):
    part = {
        "class_path": f"lightning.pytorch.callbacks.{kind}",
        "init_args": {"monitor": name, "mode": "min"},
    }
    for callbacks in (part, [{"class_path": "Timer"}, part]):
        config = {**monitored("val/loss", "min"), "trainer": {"callbacks": callbacks}}
        with pytest.raises(UsageError, match=said):
            check_monitors(config, ["uar"])


CONFIG = {
    "seed_everything": 42,
    "data": {
        "class_path": "sercl.data.datamodules.EmoDB",
        "init_args": {"root": "/a", "labels": {"up": ["angry"], "down": ["sad"]}, "folds": {"index": 0}},
    },
    "model": {"adapter": "lora", "encoder": "/models/a", "optimizer": {"head_lr": 0.001}},
    "trainer": {
        "max_epochs": 3,
        "max_steps": -1,
        "accelerator": "auto",
        "devices": "auto",
        "precision": None,
    },
    "early_stopping": {"patience": 10, "verbose": False},
    "checkpoint": {"monitor": "val/loss", "filename": "best"},
    "features": {"precision": "fp32", "dir": None},
}


def changed(**changes):
    """The configuration with some of its values replaced; names are paths with double underscores."""
    config = json.loads(json.dumps(CONFIG))
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = config
        for name in parents:
            place = place[name]
        place[last] = value
    return yaml.safe_dump(config)


@pytest.fixture
def stored(tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    return tmp_path / "config.yaml"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"trainer__max_epochs": 9},
        {"trainer__max_steps": 9, "trainer__accelerator": "cpu"},
        {"early_stopping__verbose": True, "checkpoint__filename": "top", "features__dir": "/f"},
        {"data__init_args__root": "/b"},
        {"model__encoder": "/models/b"},
        {"model__new_option": 1},
    ],
)
def test_a_run_goes_on_for_longer_and_with_its_files_elsewhere(stored, changes):
    check_resumed(stored, changed(**changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data__init_args__folds__index": 1}, "--data.folds.index is 1, was 0"),
        ({"data__class_path": "sercl.data.datamodules.ESD"}, "--data is sercl.data.datamodules.ESD, was"),
        ({"data__init_args__labels": "4"}, r"--data.labels.up is not set, was \['angry'\]"),
        ({"model__adapter": "gating"}, "--model.adapter is gating, was lora"),
        ({"model__optimizer__head_lr": 0.1}, "--model.optimizer.head_lr is 0.1, was 0.001"),
        ({"seed_everything": 1}, "--seed_everything is 1, was 42"),
        ({"early_stopping__patience": 3}, "--early_stopping.patience is 3, was 10"),
        ({"checkpoint__monitor": "val/uar"}, "--checkpoint.monitor is val/uar, was val/loss"),
        ({"trainer__precision": "bf16-mixed"}, "--trainer.precision is bf16-mixed, was None"),
        ({"trainer__devices": 2}, "--trainer.devices is 2, was auto"),
        ({"features__precision": "bf16"}, "--features.precision is bf16, was fp32"),
    ],
)
def test_a_run_does_not_go_on_as_another(stored, changes, said):
    with pytest.raises(UsageError, match=said):
        check_resumed(stored, changed(**changes))


@pytest.mark.parametrize("optimizer", [{"schedule": "cosine"}, {"warmup": 0.1}])
def test_the_length_of_training_stays_where_rates_follow_from_it(tmp_path, optimizer):
    config = yaml.safe_load(changed(model__optimizer=optimizer))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    config["trainer"]["max_epochs"] = 9
    with pytest.raises(UsageError, match=r"learning rates follow.*--trainer\.max_epochs is 9, was 3"):
        check_resumed(tmp_path / "config.yaml", yaml.safe_dump(config))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"data: [", "damaged"),
        (b"\xff\xfe", "damaged"),
        (b"- a\n", "not a set of options"),
        (b"seed_everything: 42\ndata:\n  a: 1\n", "model missing"),
        (b"trainer: 3\nseed_everything: 42\ndata:\nmodel:\n", None),
    ],
)
def test_a_damaged_configuration_is_named(stored, content, said):
    stored.write_bytes(content)
    error = ResultsError if said else UsageError
    with pytest.raises(error, match=said or "continues a run with its original options"):
        check_resumed(stored, changed())


def test_a_run_on_one_fold_is_not_resumed_on_another(fit_words, tmp_path, capsys):
    run = [*fit_words, "--model.layer", "1", "--out", str(tmp_path)]
    words = [*run, "--trainer.max_epochs", "1"]
    assert main(words) == 0
    before = (tmp_path / "config.yaml").read_bytes()
    assert main([*words, "--resume", "--data.folds.index", "1"]) == 2
    assert "--data.folds.index is 1, was 0" in capsys.readouterr().err
    assert (tmp_path / "config.yaml").read_bytes() == before
    assert main([*run, "--resume", "--trainer.max_epochs", "2"]) == 0
    assert "max_epochs: 2" in (tmp_path / "config.yaml").read_text()
    assert json.loads((tmp_path / "results.json").read_text())["stages"][0]["epochs"] == 2
    before = (tmp_path / "config.yaml").read_bytes()
    assert main([*words, "--resume"]) == 2
    assert "has trained for 2 epochs, but --trainer.max_epochs allows 1" in capsys.readouterr().err
    assert (tmp_path / "config.yaml").read_bytes() == before
    (tmp_path / "config.yaml").write_text("")
    assert main([*words, "--resume"]) == 1
    assert "config.yaml: damaged (empty)" in capsys.readouterr().err
