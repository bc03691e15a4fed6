"""Options of `sercl fit` that change what is trained: each runs through the real command line and acts."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch

from sercl.batch import AudioBatch, FeatureBatch
from sercl.cli.main import main
from sercl.tasks.classification import EmotionClassifier
from sercl.testing.encoders import tiny_encoder
from tests.cli.words import replaced


@pytest.fixture
def fit(fit_words, tmp_path):
    """Run a fit with further words, and return its folder."""

    def run(*words, layer="1", name="run"):
        out, all_words = tmp_path / name, [*fit_words, "--model.layer", layer]
        for option, value in zip(words[::2], words[1::2], strict=True):
            all_words = replaced(all_words, option, str(value))
        assert main([*all_words, "--out", str(out)]) == 0
        return out

    return run


@pytest.fixture
def steps(monkeypatch):
    """What every training step was given, and what the task was like."""
    seen, step = [], EmotionClassifier.training_step

    def watched(task, batch, index):
        rates = {group["name"]: group["lr"] for group in task.optimizers().param_groups}
        seen.append({"batch": batch, "rates": rates, "weights": task.loss_weights})
        return step(task, batch, index)

    monkeypatch.setattr(EmotionClassifier, "training_step", watched)
    return seen


@pytest.fixture
def validated(monkeypatch):
    """The batches of validation."""
    seen, step = [], EmotionClassifier.validation_step

    def watched(task, batch, index):
        seen.append(batch)
        return step(task, batch, index)

    monkeypatch.setattr(EmotionClassifier, "validation_step", watched)
    return seen


@pytest.fixture
def uneven(emodb, tmp_path):
    """A fake EMO-DB with half as many sad clips as others."""
    root = Path(shutil.copytree(emodb, tmp_path / "uneven"))
    for path in sorted(root.rglob("*.wav")):
        if path.stem[5] == "T" and path.stem[2:5] == "a01":
            path.unlink()
    return root


def results(folder):
    return json.loads((folder / "results.json").read_text())


def state(folder):
    return torch.load(folder / "best.ckpt", weights_only=True)["state_dict"]


def test_augmentation_changes_training_clips_and_no_others(fit, steps, validated):
    loud = ["--data.augment.gain_db", "[30,30]", "--data.augment.probability", "1"]
    fit(*loud, "--trainer.max_epochs", "2")
    assert all(isinstance(step["batch"], AudioBatch) for step in steps)
    assert all(step["batch"].waveforms.abs().max() > 1.5 for step in steps)
    assert all(batch.waveforms.abs().max() <= 1 for batch in validated)
    # Statistics of the clips as they are: the same as of a run without augmentation.
    plain = fit("--trainer.max_epochs", "1", name="plain")
    assert isinstance(steps[-1]["batch"], FeatureBatch)
    for name in ("mean", "std"):
        key = f"readout.standardizer.{name}"
        torch.testing.assert_close(
            state(plain)[key], state(plain.with_name("run"))[key], rtol=1e-3, atol=1e-4
        )


def test_every_augmentation_at_once(fit):
    fit(
        "--data.augment.gain_db", "[-6,6]", "--data.augment.speed", "[0.9,1.1]",
        "--data.augment.noise_snr_db", "[5,20]", "--data.augment.noise_color", "pink",
        "--data.augment.time_mask", "0.2", "--data.augment.time_mask_count", "2",
        "--trainer.max_epochs", "1", "--model.adapter", "gating", layer="last",
    )  # fmt: skip


def test_balanced_folds_draw_as_many_of_each_class(fit, uneven):
    plain = fit("--data.root", uneven, "--trainer.max_epochs", "1", name="plain")
    counts = results(plain)["data"]["splits"]["train"]["classes"]
    assert counts["sad"] < counts["angry"]
    balanced = fit("--data.root", uneven, "--data.folds.balance", "true", "--trainer.max_epochs", "1")
    splits = results(balanced)["data"]["splits"]
    assert set(splits["train"]["classes"].values()) == {counts["sad"]}
    assert splits["test"] == results(plain)["data"]["splits"]["test"]
    with (balanced / "folds" / "train.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 4 * counts["sad"]


def test_balanced_weights_are_inverse_to_the_share_in_training(fit, uneven, steps):
    run = fit("--data.root", uneven, "--model.class_weights", "balanced", "--trainer.max_epochs", "1")
    counts = list(results(run)["data"]["splits"]["train"]["classes"].values())
    expected = torch.tensor([sum(counts) / (4 * count) for count in counts])
    assert steps
    assert all(torch.allclose(step["weights"], expected) for step in steps)


def test_attentive_pooling_and_a_weighted_sum_of_layers_are_trained_and_kept(fit, capsys, tmp_path):
    run = fit("--model.pooling", "attentive", "--model.optimizer.head_lr", "1e-2", layer="weighted")
    assert "weighted" in capsys.readouterr().out
    weights = state(run)
    assert weights["pooling.score.weight"].abs().max() > 1e-4  # it starts at zero
    assert weights["readout.mix.scores"].std() > 1e-4  # all start alike
    assert weights["readout.mix.scores"].shape == (4,)
    assert results(run)["model"]["chosen_state"] is None
    assert results(run)["stages"][0]["chosen_state"] is None
    assert main(["test", "--ckpt", str(run / "best.ckpt"), "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "predictions.csv").read_text() == (run / "predictions.csv").read_text()


def test_a_checkpoint_in_full_needs_no_encoder(fit, emodb, tmp_path, capsys):
    encoder = tiny_encoder("whisper", tmp_path / "encoder")
    words = ["--model.encoder", encoder, "--model.adapter", "lora", "--trainer.max_epochs", "1"]
    full = fit(*words, "--model.save_full", "true", layer="last", name="full")
    slim = fit(*words, layer="last", name="slim")
    assert (full / "best.ckpt").stat().st_size > (slim / "best.ckpt").stat().st_size
    assert state(full).keys() > state(slim).keys()
    predict = ["predict", "--format", "csv", emodb + "/wav"]
    capsys.readouterr()
    assert main([*predict[:1], str(full / "best.ckpt"), *predict[1:]]) == 0
    before = capsys.readouterr().out
    shutil.rmtree(encoder)
    assert main([*predict[:1], str(full / "best.ckpt"), *predict[1:]]) == 0
    assert capsys.readouterr().out == before
    assert main(["test", "--ckpt", str(full / "best.ckpt"), "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "predictions.csv").read_text() == (full / "predictions.csv").read_text()
    capsys.readouterr()
    assert main([*predict[:1], str(slim / "best.ckpt"), *predict[1:]]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_rates_warm_up_and_fall_along_a_cosine(fit, steps):
    fit(
        "--model.adapter", "gating", "--model.optimizer.schedule", "cosine",
        "--model.optimizer.warmup", "0.25", "--model.optimizer.head_lr", "1e-2",
        "--model.optimizer.adapter_lr", "1e-3",
        "--data.loader.batch_size", "12", "--trainer.max_epochs", "4", layer="last",
    )  # fmt: skip
    head = [step["rates"]["head"] for step in steps]
    total, warm = len(head), len(head) // 4
    assert total >= 12
    assert head[:warm] == pytest.approx([1e-2 * (step + 1) / warm for step in range(warm)])
    assert head[warm] == pytest.approx(1e-2)
    assert head[warm:] == sorted(head[warm:], reverse=True)
    assert head[-1] < 2e-3
    assert [step["rates"]["adapter"] for step in steps] == pytest.approx([rate / 10 for rate in head])


def test_a_constant_rate_is_the_default(fit, steps):
    fit("--trainer.max_epochs", "2")
    assert {step["rates"]["head"] for step in steps} == {1e-3}
