"""What users of other LightningCLI programs type works, or the message says what to use instead."""

import pytest

from sercl.cli import fit, test
from sercl.cli.lightning_options import instead_of, take_variables
from sercl.cli.main import main
from sercl.errors import SerclWarning


@pytest.fixture
def parsed(monkeypatch):
    """Configurations of runs that were parsed; nothing is trained or evaluated."""
    found = []
    monkeypatch.setattr(fit, "run", lambda cli: found.append(cli.config))
    monkeypatch.setattr(test, "_evaluate", lambda cli, *_: found.append(cli.config))
    return found


@pytest.fixture
def file(tmp_path):
    def write(text):
        (tmp_path / "foreign.yaml").write_text(text)
        return str(tmp_path / "foreign.yaml")

    return write


@pytest.fixture
def checkpoint(tmp_path):
    (tmp_path / "x.ckpt").write_bytes(b"")
    return str(tmp_path / "x.ckpt")


@pytest.fixture
def refused(capsys):
    """Call a command that must be refused; return its message."""

    def call(*words):
        assert main([str(word) for word in words]) == 2
        return " ".join(capsys.readouterr().err.split())

    return call


def test_null_keys_of_a_foreign_configuration_have_no_effect(parsed, fit_words, emodb, checkpoint, file):
    nulls = file("ckpt_path: null\nweights_only: null\noptimizer: null\nlr_scheduler: null\n")
    assert main([*fit_words, "-c", nulls]) == 0
    data = ["--data", "EmoDB", "--data.root", emodb]
    for command in ("test", "validate"):
        assert main([command, *data, "--ckpt", checkpoint, "-c", nulls]) == 0
    assert len(parsed) == 3
    assert "ckpt_path" not in parsed[0]


def test_the_checkpoint_to_evaluate_goes_by_both_names(parsed, emodb, checkpoint, refused):
    words = ["test", "--data", "EmoDB", "--data.root", emodb]
    assert main([*words, "--ckpt_path", checkpoint]) == 0
    assert main([*words, f"--ckpt-path={checkpoint}"]) == 0
    assert [config["ckpt"] for config in parsed] == [checkpoint] * 2
    assert "given twice" in refused(*words, "--ckpt", checkpoint, "--ckpt_path", "other.ckpt")


def test_a_checkpoint_to_train_from_says_what_there_is(fit_words, file, refused):
    for words in (["--ckpt_path", "x.ckpt"], ["-c", file("ckpt_path: x.ckpt\n")], ["--ckpt", "x.ckpt"]):
        message = refused(*fit_words, *words)
        assert all(part in message for part in ("--resume", "sercl test --ckpt", "sercl predict"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ckpt_path: a.ckpt", "--ckpt a.ckpt"),
        ("optimizer: {class_path: torch.optim.Adam}", "trains nothing"),
        ("data: {class_path: EmoDB, init_args: {root: .}}\nmodel: {lr: 1}", "--ckpt is missing"),
        ("test:\n  data: {class_path: EmoDB}", "below `test:`"),
    ],
)
def test_a_foreign_configuration_to_evaluate_by_says_what_is_missing(text, expected, file, refused):
    path = file(text)
    message = refused("test", "-c", path)
    assert expected in message
    assert path in message


def test_evaluation_without_anything_asks_for_a_checkpoint(refused):
    assert "sercl validate --ckpt checkpoints/RUN/best.ckpt" in refused("validate")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fit", "--optimizer", "Adam"], "--model.optimizer.algorithm"),
        (["fit", "--optimizer=Adam", "--optimizer.lr=0.1"], "--model.optimizer"),
        (["layer-probe", "--lr_scheduler", "StepLR"], "--model.optimizer.schedule"),
        (["diarize", "fit", "--model.lr", "0.1"], "--model.optimizer"),
        (["fit", "--trainer.gpus", "1"], "--trainer.devices"),
        (["fit", "--trainer.resume_from_checkpoint", "a"], "--resume"),
        (["fit", "--data", "EmoDB", "--data.num_workers", "1"], "--data.loader.workers"),
        (["fit", "--trainer.help"], "--help-all"),
        (["cross-eval", "--ckpt_path", "a"], "same --out"),
        (["predict", "--ckpt_path", "a.ckpt", "a.wav"], "sercl predict FILE"),
        (["predict", "-c", "a.yaml"], "sercl predict RUN/best.ckpt"),
        (["diarize", "--ckpt", "a.ckpt", "a.wav"], "sercl diarize FILE"),
        (["--config", "a.yaml", "fit"], "sercl fit --config"),
        (["--print_config"], "sercl COMMAND --print_config"),
    ],
)  # fmt: skip
def test_an_option_of_lightning_names_that_of_sercl(words, expected, refused):
    assert expected in refused(*words)


@pytest.mark.parametrize("key", ["optimizer", "lr_scheduler"])
def test_so_does_a_key_of_a_file(key, fit_words, file, refused):
    text = f"{key}: {{class_path: torch.optim.Adam, init_args: {{lr: 0.1}}}}\n"
    message = refused(*fit_words, "-c", file(text))
    assert "--model.optimizer" in message
    assert "foreign.yaml" in message


def test_options_of_a_class_of_another_package_are_its_own(fit_words, file, refused):
    text = "model: {class_path: myproj.Net, init_args: {lr: 0.1}}\n"
    message = refused(*fit_words, "-c", file(text))
    assert "--model: 'myproj.Net' is not imported" in message
    assert "--model.lr" not in message


def test_options_of_several_commands_in_a_file_are_refused(file, refused):
    assert "below `fit:`" in refused("fit", "-c", file("fit:\n  trainer: {max_epochs: 3}\n"))


def test_a_class_of_the_former_package_names_todays(fit_words, refused):
    message = refused(*fit_words, "--trainer.callbacks+=pytorch_lightning.callbacks.Timer")
    assert "Write lightning.pytorch.callbacks.Timer." in message


@pytest.mark.parametrize(
    "name",
    ["PL_CONFIG", "PL_FIT__TRAINER__MAX_EPOCHS", "PL_TRAINER_MAX_EPOCHS", "SERCL_FIT__TRAINER__MAX_EPOCHS"],
)
def test_a_variable_sets_no_option_and_is_named_once(name, parsed, fit_words, monkeypatch):
    monkeypatch.setenv(name, "7")
    with pytest.warns(SerclWarning, match=name) as found:
        assert main(list(fit_words)) == 0
    assert parsed[0]["trainer"]["max_epochs"] == 3
    assert len(found) == 1


def test_other_variables_are_left_alone(monkeypatch):
    for name in ("SERCL_ALLOW_IMPORTS", "PL_GLOBAL_SEED", "PL_SEED_WORKERS"):
        monkeypatch.setenv(name, "1")
    assert take_variables() == []


def test_options_that_nobody_else_has_get_no_advice():
    assert instead_of("--data.rooot", "fit") is None
    assert instead_of("--model.layer", "fit") is None
