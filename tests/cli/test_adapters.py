"""Adapters of peft and of a user's own through the command line, from training to prediction."""

import csv
import json
import sys
from pathlib import Path

import pytest
import torch
import yaml
from peft import PeftModel
from torch import Tensor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

import sercl
from sercl import plugins
from sercl.cli.completion import script
from sercl.cli.main import main
from sercl.cli.run_folder import check_claim
from sercl.models.adapters import METHODS, AdapterOptions, register, registry
from sercl.plugins import ADAPTERS
from sercl.tasks.classification import EmotionClassifier
from tests.packages import find_packages, install


@pytest.fixture(scope="module")
def dora(fit_words, tmp_path_factory):
    """The folder of a finished run with DoRA and gates."""
    folder = tmp_path_factory.mktemp("dora") / "run"
    words = [
        *fit_words, "--model.adapter", "peft:dora+gating", "--model.adapters.peft.r", "2",
        "--model.adapters.peft.target_modules", "[q_proj,fc1]", "--trainer.max_epochs", "1",
    ]  # fmt: skip
    assert main([*words, "--out", str(folder)]) == 0
    return folder


def test_a_run_with_dora_predicts(dora, emodb, capsys):
    clip = min(Path(emodb).rglob("*.wav"))
    assert main(["predict", str(dora / "best.ckpt"), str(clip), "--format", "jsonl"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert set(json.loads(line)["probabilities"]) == {"angry", "happy", "neutral", "sad"}


def test_the_checkpoint_holds_the_options_of_what_was_trained(dora):
    stored = torch.load(dora / "best.ckpt", weights_only=True)
    own = stored["hyper_parameters"]["adapters"]
    assert own == {"peft": {"r": 2, "target_modules": ["q_proj", "fc1"]}, "gating": {"init": "identity"}}
    names = [name for name in stored["state_dict"] if name.startswith("encoder.")]
    assert names
    assert all("lora_" in name for name in names)


def hidden_states(encoder: WhisperEncoder) -> Tensor:
    features = torch.randn(1, 80, 1000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output: Tensor = encoder.eval()(features).last_hidden_state
    return output


def test_the_adapter_of_a_run_is_one_of_peft(dora, encoder):
    ours = EmotionClassifier.restore(dora / "best.ckpt").encoder.model
    check_claim(dora, resume=False, overwrite=True)
    loaded = PeftModel.from_pretrained(WhisperEncoder.from_pretrained(encoder), dora / "adapter")
    assert loaded.peft_config["default"].use_dora
    gates = [block._forward_pre_hooks for block in ours.layers]
    for hooks in gates:
        hooks.clear()  # peft knows nothing of them
    torch.testing.assert_close(hidden_states(loaded.base_model.model), hidden_states(ours))


def test_a_run_continues_from_the_adapter_of_another(dora, fit_words, tmp_path):
    words = [
        *fit_words, "--model.adapter", "peft:dora", "--model.adapters.peft.folder", str(dora / "adapter"),
        "--trainer.max_epochs", "1", "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    assert main([*words, "--model.optimizer.adapter_lr", "1e-30"]) == 0
    stored, before = (torch.load(run / "best.ckpt", weights_only=True) for run in (tmp_path / "run", dora))
    own = stored["hyper_parameters"]["adapters"]["peft"]
    assert own["r"] == 2
    assert "folder" not in own
    names = [name for name in stored["state_dict"] if "lora_" in name]
    assert len(names) == 3 * 2 * 3
    for name in names:
        torch.testing.assert_close(stored["state_dict"][name], before["state_dict"][name])


@pytest.fixture(scope="module")
def adalora(fit_words, tmp_path_factory):
    """The command line of a run with AdaLoRA without `--out`, and its folder when it has finished."""
    folder = tmp_path_factory.mktemp("adalora") / "run"
    words = [
        *fit_words, "--model.adapter", "peft:adalora+gating", "--model.adapters.peft.init_r", "4",
        "--model.adapters.peft.target_r", "2", "--model.adapters.peft.lora_dropout", "0.1",
        "--model.adapters.peft.deltaT", "2", "--data.loader.batch_size", "8", "--model.dropout", "0.2",
        "--model.optimizer.adapter_lr", "0.01", "--trainer.accumulate_grad_batches", "2",
        "--trainer.gradient_clip_val", "1.0",
    ]  # fmt: skip
    assert main([*words, "--out", str(folder)]) == 0
    return words, folder


def stored_ranks(path):
    state = torch.load(path, weights_only=True)["state_dict"]
    values = [value for name, value in state.items() if "lora_E" in name]
    return [int((value != 0).sum()) for value in values], state["adapters.peft.ranks.kept"].sum(
        dim=1
    ).tolist()


def logged(folder, name):
    with min(folder.rglob("metrics.csv")).open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]]


def test_adalora_ends_with_its_target_rank_on_average(adalora):
    _, folder = adalora
    used, kept = stored_ranks(folder / "last.ckpt")
    assert used == kept
    assert sum(kept) == 2 * len(kept) == 2 * 3 * 6
    assert len(set(kept)) > 1
    ranks, penalties = logged(folder, "train/rank"), logged(folder, "train/penalty")
    assert 2 < ranks[0] < 4
    assert ranks[1:] == [2, 2]
    assert 0 < penalties[-1] < penalties[0]


def test_a_checkpoint_of_adalora_predicts_as_the_run_did(adalora, emodb, capsys):
    _, folder = adalora
    with (folder / "predictions.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    capsys.readouterr()
    clip = min(Path(emodb).rglob(f"{row['utterance']}.wav"))
    assert main(["predict", str(folder / "best.ckpt"), str(clip), "--format", "jsonl"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    for name, value in json.loads(line)["probabilities"].items():
        assert value == pytest.approx(float(row[f"p_{name}"]), abs=1e-4)


def test_the_adapter_of_a_run_with_adalora_is_one_of_peft(adalora, encoder):
    _, folder = adalora
    ours = EmotionClassifier.restore(folder / "best.ckpt").encoder.model
    loaded = PeftModel.from_pretrained(WhisperEncoder.from_pretrained(encoder), folder / "adapter")
    for block in ours.layers:
        block._forward_pre_hooks.clear()  # of the gates
    torch.testing.assert_close(hidden_states(loaded.base_model.model), hidden_states(ours))


def test_a_run_with_adalora_that_broke_off_resumes_to_the_same_end(adalora, tmp_path, monkeypatch, capsys):
    words, whole = adalora
    step, folder = EmotionClassifier.training_step, tmp_path / "run"

    def broken(self, batch, index):
        if self.current_epoch == 1 and index == 2:
            raise RuntimeError("broken off")
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(EmotionClassifier, "training_step", broken)
        assert main([*words, "--out", str(folder)]) == 1
    assert sum(stored_ranks(folder / "last.ckpt")[1]) > 36  # in the midst of the cuts
    longer = [*words, "--out", str(folder), "--resume", "--trainer.max_epochs", "5"]
    assert main(longer) == 2
    assert "its adapter's schedule follows from the length of training" in capsys.readouterr().err
    assert main([*words, "--out", str(folder), "--resume"]) == 0
    resumed, uninterrupted = (torch.load(run / "last.ckpt", weights_only=True) for run in (folder, whole))
    assert resumed["state_dict"].keys() == uninterrupted["state_dict"].keys()
    for name, value in uninterrupted["state_dict"].items():
        assert torch.equal(resumed["state_dict"][name], value), name


def test_a_training_too_short_to_cut_ranks_is_refused(fit_words, tmp_path, capsys):
    words = [*fit_words, "--model.adapter", "peft:adalora", "--model.adapters.peft.tinit", "500"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "the first 500 (tinit)" in said
    assert "Reduce --model.adapters.peft.tinit or .tfinal, or train for longer." in said


SHIFT = """
from dataclasses import dataclass

import torch
from torch import nn

from sercl.models.adapters import AdapterMethod, HookAdapter


@dataclass(frozen=True)
class ShiftConfig:
    start: float = 0.0


class Shift(HookAdapter):
    def __init__(self, hidden_size, config):
        super().__init__()
        self.shift = nn.Parameter(torch.full((hidden_size,), config.start))

    def hook(self, block, traits):
        return block.get_submodule(traits.feed_forward).register_forward_hook(self._add)

    def _add(self, module, args, output):
        return output + self.shift


class Idle(Shift):
    def _add(self, module, args, output):
        return output


class Counting(Shift):
    def __init__(self, hidden_size, config):
        super().__init__(hidden_size, config)
        self.register_buffer("steps", torch.zeros(2, dtype=torch.long))

    def begin_training(self, steps):
        self.steps[1] = steps

    def penalty(self):
        return 1e6 * self.shift.square().sum()

    def after_step(self, step):
        assert step == self.steps[0] + 1
        assert self.shift.grad is not None
        self.steps[0] = step

    def figures(self):
        return {"norm": float(self.shift.detach().norm())}


shift, idle = AdapterMethod("shift", ShiftConfig, Shift), AdapterMethod("idle", ShiftConfig, Idle)
counting = AdapterMethod("counting", ShiftConfig, Counting)
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package with two adapters; what it adds is taken back."""
    configs = dict(registry._configs)
    points = {name: f"shiftlab:{name}" for name in ("shift", "idle", "counting")}
    install(tmp_path, "shiftlab", {ADAPTERS: points}, {"shiftlab.py": SHIFT})
    find_packages(monkeypatch, tmp_path)
    yield
    METHODS._loaded.clear()
    sys.modules.pop("shiftlab", None)
    registry._configs.clear()
    registry._configs.update(configs)
    AdapterOptions.__bases__ = (registry._dataclass_of(configs),)


def test_an_adapter_of_a_package_trains_and_predicts(package, fit_words, emodb, tmp_path):
    folder = tmp_path / "run"
    words = [
        *fit_words, "--model.adapter", "shift+peft:ia3", "--model.adapters.shift.start", "0.5",
        "--trainer.max_epochs", "1", "--out", str(folder),
    ]  # fmt: skip
    assert main(words) == 0
    stored = torch.load(folder / "best.ckpt", weights_only=True)
    assert stored["hyper_parameters"]["adapters"] == {"peft": {}, "shift": {"start": 0.5}}
    assert yaml.safe_load((folder / "config.yaml").read_text())["model"]["adapters"]["shift"] == {
        "start": 0.5
    }
    clip = min(Path(emodb).rglob("*.wav"))
    assert len(sercl.load(str(folder / "best.ckpt")).predict([str(clip)])) == 1


def test_an_adapter_takes_part_in_the_loss_and_in_every_step(package, fit_words, tmp_path):
    words = [
        *fit_words, "--model.adapter", "counting", "--model.adapters.counting.start", "0.01",
        "--data.loader.batch_size", "8", "--trainer.accumulate_grad_batches", "2",
        "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    assert main(words) == 0
    stored = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    assert stored["state_dict"]["adapters.counting.0.steps"].tolist() == [stored["global_step"]] * 2
    norms = logged(tmp_path / "run", "train/norm")
    assert norms[-1] < norms[0] < 0.04
    assert logged(tmp_path / "run", "train/penalty")[0] == pytest.approx(1e6 * 3 * 16 * 0.01**2, rel=0.5)


def test_a_training_that_does_not_reach_its_adapter_is_refused(package, fit_words, tmp_path, capsys):
    assert main([*fit_words, "--model.adapter", "idle", "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "adapter 'idle'" in said
    assert "3 of its tensors get no gradient" in said


def test_an_adapter_that_was_registered_is_known_before_the_imports(package):
    register("here", METHODS["shift"].config, METHODS["shift"].build)
    try:
        assert "here" in plugins.names(ADAPTERS)
        assert "here" in script("bash")
    finally:
        del METHODS._entries["here"]
