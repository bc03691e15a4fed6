"""Models and parts that users write, on the command line and in files, from training to prediction."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from sercl import imports
from sercl.cli.lightning import chosen_model
from sercl.cli.main import main
from sercl.cli.model_class import flattened, model_named
from sercl.errors import UsageError
from sercl.studies.cross_eval.plan.trainings import ADDRESS_DIGITS
from sercl.studies.run_files import settings_in
from sercl.tasks.classification import EmotionClassifier
from tests.cli.words import replaced

MINE = '''
from torch import nn
from torch.nn import functional as F

from sercl.tasks.classification import EmotionClassifier


class DeepHead(EmotionClassifier):
    """A classifier with a hidden layer in its head.

    Args:
        width: Width of the hidden layer.
    """

    def __init__(self, width: int = 64, **kwargs):
        self.width = width
        super().__init__(**kwargs)

    def build_head(self, dim, classes):
        return nn.Sequential(nn.Linear(dim, self.width), nn.GELU(), nn.Linear(self.width, classes))


class NoOptions(EmotionClassifier):
    def __init__(self, width: int = 64):
        super().__init__()


class MyHead(nn.Module):
    def __init__(self, dim, classes, width=8):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(dim, width), nn.Linear(width, classes))

    def forward(self, x):
        return self.layers(x)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a module of the user's."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "labmodels.py").write_text(MINE)
    return folder


@pytest.fixture
def allowed(folder, monkeypatch):
    """The module is on the path, and its package is allowed."""
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("SERCL_ALLOW_IMPORTS", "labmodels")
    yield
    sys.modules.pop("labmodels", None)


@pytest.fixture
def clip(emodb):
    """A recording."""
    return str(min(Path(emodb).rglob("*.wav")))


def error_of(capsys, words, code=2):
    assert main(words) == code
    return " ".join(capsys.readouterr().err.split())


def in_new_process(folder, words, **variables):
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{os.environ.get('PYTHONPATH', '')}", **variables}
    return subprocess.run(
        [sys.executable, "-m", "sercl", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_model_from_training_to_prediction(fit_words, folder, allowed, clip, tmp_path, capsys):
    run = tmp_path / "run"
    words = [*fit_words, "--model", "labmodels.DeepHead", "--model.width", "5", "--model.layer", "1"]
    assert main([*words, "--out", str(run)]) == 0
    model = yaml.safe_load((run / "config.yaml").read_text())["model"]
    assert model["class_path"] == "labmodels.DeepHead"
    assert (model["init_args"]["width"], model["init_args"]["layer"]) == (5, 1)
    assert torch.load(run / "best.ckpt", weights_only=True)["hyper_parameters"]["width"] == 5

    # The same run goes on from its own file, and is not mistaken for one with sercl's model.
    assert main(["fit", "-c", str(run / "config.yaml"), "--out", str(run), "--resume"]) == 0
    plain = [*fit_words, "--model.layer", "1", "--out", str(run), "--resume"]
    assert "--model is sercl's own class, was labmodels.DeepHead" in error_of(capsys, plain)
    other = replaced(words, "--model.width", "6")
    assert "--model.width is 6, was 5" in error_of(capsys, [*other, "--out", str(run), "--resume"])

    capsys.readouterr()
    checkpoint = str(run / "best.ckpt")
    assert main(["predict", checkpoint, clip, "--format", "json"]) == 0
    here = json.loads(capsys.readouterr().out)
    elsewhere = in_new_process(
        folder, ["predict", checkpoint, clip, "--format", "json"], SERCL_ALLOW_IMPORTS="labmodels"
    )
    assert json.loads(elsewhere.stdout) == here, elsewhere.stderr
    refused = in_new_process(folder, ["predict", checkpoint, clip], SERCL_ALLOW_IMPORTS="")
    assert refused.returncode == 2
    assert "SERCL_ALLOW_IMPORTS=labmodels sercl predict ..." in " ".join(refused.stderr.split())
    assert main(["test", "--ckpt", checkpoint, "--trainer.accelerator", "cpu", "--json"]) == 0
    settings = settings_in(run)["config.yaml"]
    assert (settings["model"], settings["model.width"], settings["model.layer"]) == (
        "labmodels.DeepHead",
        5,
        1,
    )


def test_the_options_of_the_class_are_its_own(fit_words, allowed, tmp_path, capsys):
    words = [*fit_words, "--model", "labmodels.DeepHead", "--out", str(tmp_path / "run")]
    assert "unknown option --model.widht. Did you mean --model.width?" in error_of(
        capsys, [*words, "--model.widht", "3"]
    )
    assert "--model.width: 'x' is not valid" in error_of(capsys, [*words, "--model.width", "x"])
    assert main(["fit", "--model", "labmodels.DeepHead", "--help-all"]) == 0
    assert "Width of the hidden layer." in capsys.readouterr().out
    assert main([*words, "--print_config"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)["model"]
    assert (printed["class_path"], printed["init_args"]["width"]) == ("labmodels.DeepHead", 64)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "EmotionClassifer"], "Did you mean 'EmotionClassifier'"),
        (["--model", "labmodels.MyHead"], "is not a subclass of EmotionClassifier, which `sercl fit` trains"),
        (["--model", "labmodels.DepHead"], "Did you mean 'DeepHead'"),
        (["--model", "labmodels.NoOptions"], "does not take adapter"),
        (["--model", "other.Model"], "SERCL_ALLOW_IMPORTS=other sercl fit ..."),
        (["--model.head", "labmodels.MyHead", "--model.head.init_args.widht", "3"], "Did you mean 'width'"),
        (["--model.head", "other.Head"], "SERCL_ALLOW_IMPORTS=other"),
        (["--model.optimizer.algorithm", "sgd", "--model.optimizer.algorithm.momentm", "1"], "'momentum'"),
        (["--model.optimizer.schedule", "plateau", "--model.optimizer.monitor", "val/uar"], "mode max"),
        (["--model.optimizer.schedule", "plateau", "--model.optimizer.monitor", "val/ua"], "'val/uar'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_written(
    words, said, fit_words, allowed, tmp_path, capsys
):
    assert said in error_of(capsys, [*fit_words, *words, "--out", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


def test_names_of_sercls_own_model_change_nothing(fit_words, tmp_path):
    for number, words in enumerate(
        (["--model", "EmotionClassifier"], ["--model.class_path", "EmotionClassifier"], [])
    ):
        given = [*fit_words, *words, "--model.init_args.layer", "1", "--out", str(tmp_path / str(number))]
        assert main([*given, "--trainer.limit_train_batches", "1"]) == 0
    files = [(tmp_path / str(number) / "config.yaml").read_text() for number in range(3)]
    assert files[0] == files[1] == files[2]
    assert "encoder" in yaml.safe_load(files[0])["model"]


def test_parts_in_a_file_and_on_the_command_line(fit_words, allowed, tmp_path, clip, capsys):
    parts = {
        "head": {"class_path": "labmodels.MyHead", "init_args": {"width": 3}},
        "loss": {"class_path": "torch.nn.CrossEntropyLoss", "init_args": {"label_smoothing": 0.1}},
        "optimizer": {
            "algorithm": {"class_path": "sgd", "init_args": {"momentum": 0.9}},
            "schedule": "one-cycle",
        },
    }
    file = tmp_path / "parts.yaml"
    file.write_text(yaml.safe_dump({"model": parts}))
    words = [*fit_words, "-c", str(file), "--model.layer", "1"]
    assert main([*words, "--out", str(tmp_path / "a")]) == 0
    stored = yaml.safe_load((tmp_path / "a" / "config.yaml").read_text())["model"]
    assert (stored["head"], stored["loss"]) == (parts["head"], parts["loss"])
    assert stored["optimizer"]["algorithm"] == parts["optimizer"]["algorithm"]
    state = torch.load(tmp_path / "a" / "last.ckpt", weights_only=True)
    assert state["optimizer_states"][0]["param_groups"][0]["momentum"] != 0.0
    assert state["state_dict"]["readout.heads.0.1.layers.0.weight"].shape[0] == 3

    again = ["--model.head", "labmodels.MyHead", "--model.head.init_args.width", "4"]
    assert main([*words, *again, "--out", str(tmp_path / "b")]) == 0
    stored = yaml.safe_load((tmp_path / "b" / "config.yaml").read_text())["model"]
    assert stored["head"] == {"class_path": "labmodels.MyHead", "init_args": {"width": 4}}
    assert main(["predict", str(tmp_path / "b" / "best.ckpt"), clip]) == 0


def test_layer_probe_refuses_what_has_no_effect_on_probes(encoder, emodb, allowed, tmp_path, capsys):
    words = ["layer-probe", "--data", "EmoDB", "--data.root", emodb, "--encoder", encoder]
    for more in (
        ["--model", "labmodels.DeepHead"],
        ["--model.head", "labmodels.MyHead"],
        ["--model.loss", "torch.nn.MultiMarginLoss"],
        ["--model.optimizer.algorithm", "sgd"],
        ["--model.optimizer.schedule", "plateau"],
    ):
        said = error_of(capsys, [*words, *more, "--out", str(tmp_path / "probe")])
        assert f"{' '.join(more) if more[0] == '--model' else more[0]}: without effect" in said


@pytest.fixture
def study(crossed, tmp_path):
    """A study of a frozen and an adapted encoder, two trainings of one epoch; `model` must be filled in."""

    def write(**model):
        path = tmp_path / "study.yaml"
        content = {
            "study": {
                **crossed, "corpora": {"EmoDB": crossed["corpora"]["EmoDB"]}, "settings": ["monolingual"],
                "adapters": ["none", "lora"], "folds": [0], "seeds": [1],
            },
            "model": model, "trainer": {"max_epochs": 1, "accelerator": "cpu"},
            "features": {"dir": str(tmp_path / "store")},
        }  # fmt: skip
        path.write_text(yaml.safe_dump(content))
        return ["cross-eval", "-c", str(path), "--out", str(tmp_path / "study")]

    return write


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        {"class_path": "labmodels.DeepHead", "init_args": {"width": 3}},
        {"head": {"class_path": "labmodels.MyHead"}, "optimizer": {"algorithm": "sgd"}},
    ],
    ids=["class", "parts"],
)
def test_a_study_of_a_users_model(model, study, allowed, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{os.environ.get('PYTHONPATH', '')}")
    words = study(**model)
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [cell["status"] for cell in found["cells"]] == ["done", "done"]
    assert sum("fit of its own" in warning for warning in found["warnings"]) == 1
    # Both are fits with checkpoints of their own, of the user's model.
    trained = sorted((tmp_path / "study" / "trainings").iterdir())
    assert len(trained) == 2
    assert all(len(each.name) == ADDRESS_DIGITS for each in trained)
    sizes = [torch.load(each / "best.ckpt", weights_only=True)["state_dict"] for each in trained]
    assert all(any(name.startswith("readout.heads.0.") for name in size) for size in sizes)
    # The study's own file continues it.
    assert main(["cross-eval", "-c", str(tmp_path / "study" / "study.yaml"), *words[3:], "--json"]) == 0


def test_a_study_refuses_parts_before_it_runs(study, allowed, tmp_path, capsys):
    said = error_of(capsys, study(head={"class_path": "labmodels.MyHead", "init_args": {"widht": 1}}))
    assert "Did you mean 'width'" in said
    said = error_of(capsys, study(optimizer={"schedule": "platoo"}))
    assert "Did you mean 'plateau'" in said
    said = error_of(capsys, study(loss="other.Loss"))
    assert "SERCL_ALLOW_IMPORTS=other sercl cross-eval ..." in said


def test_the_class_is_found_on_the_line_and_in_the_last_file_that_names_one(tmp_path):
    for name, model in (("a", {"class_path": "m.A"}), ("b", {"class_path": "m.B"}), ("c", {"layer": 1})):
        (tmp_path / name).write_text(yaml.safe_dump({"model": model}))
    files = [word for name in "abc" for word in ("-c", str(tmp_path / name))]
    assert model_named(files) == "m.B"
    assert model_named([*files, "--model", "m.C"]) == "m.C"
    assert model_named([*files, "--model={class_path: m.D}"]) == "m.D"
    assert model_named(["--model.encoder", "m.E", "--model", "options.yaml"]) is None


def test_words_without_the_class_are_those_of_its_options():
    words = ["--model", "m.A", "--model.init_args.x", "1", "--model.y=2", "--model.class_path=m.A", "-c", "f"]
    assert flattened(words) == ["--model.x", "1", "--model.y=2", "-c", "f"]
    assert flattened(["--model={class_path: m.A, init_args: {x: 1}}"]) == ["--model", "{x: 1}"]
    assert flattened(["--model", "file.yaml"]) == ["--model", "file.yaml"]


def test_a_class_for_another_command_is_refused():
    imports.allow("sercl.tasks.diarization")
    with pytest.raises(UsageError, match="is not a subclass of EmotionClassifier"):
        chosen_model(["--model", "sercl.tasks.diarization.EmotionDiarizer"], EmotionClassifier, "fit")
    imports._allowed.discard("sercl.tasks.diarization")
