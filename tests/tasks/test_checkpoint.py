import json
from pathlib import Path

import lightning.pytorch as L
import pytest
import torch
from safetensors.torch import load_file, save_file

from sercl import imports, plugins
from sercl.errors import CheckpointError, EncoderError, SerclWarning, UsageError
from sercl.tasks import checkpoint as checkpoints
from sercl.tasks.classification import EmotionClassifier
from sercl.testing.encoders import tiny_encoder


def save(task, path):
    trainer = L.Trainer(
        logger=False, accelerator="cpu", enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.strategy.connect(task)
    trainer.save_checkpoint(path)
    return path


@pytest.fixture(params=["none", "lora+bottleneck+gating", "full"])
def trained(request, build, batch, fit_standardizer):
    """A classifier whose every trained value differs from its start."""
    task = fit_standardizer(build(adapter=request.param, layer="last"), batch)
    with torch.no_grad():
        for p in task.parameters():
            if p.requires_grad:
                p.add_(0.02 * torch.randn(p.shape))
    return task


def test_what_was_trained_comes_back(trained, batch, tmp_path):
    path = save(trained, tmp_path / "a.ckpt")
    for restored in (EmotionClassifier.restore(path), EmotionClassifier.load_from_checkpoint(path)):
        assert torch.equal(restored.eval()(batch), trained(batch))


def test_a_frozen_encoder_is_not_in_the_file(build, batch, fit_standardizer, tmp_path):
    task = fit_standardizer(build(adapter="lora", layer="last"), batch)
    stored = torch.load(save(task, tmp_path / "a.ckpt"), weights_only=True)
    names = [name for name in stored["state_dict"] if name.startswith("encoder.")]
    assert names
    assert all("lora" in name for name in names)
    assert any(name.startswith("readout.heads") for name in stored["state_dict"])


def test_it_says_what_it_is_as_plain_data(build, batch, fit_standardizer, tmp_path):
    about = checkpoints.read(save(fit_standardizer(build(), batch), tmp_path / "a.ckpt"))["sercl"]
    assert json.loads(json.dumps(about)) == about
    assert about["classes"] == ["angry", "happy", "neutral", "sad"]
    assert len(about["encoder"]["fingerprint"]) == 64


def test_speakers_under_their_earlier_key_are_read(build, batch, fit_standardizer, tmp_path):
    speakers = {"train": ["EmoDB 03"], "validation": ["EmoDB 08"]}
    path = save(fit_standardizer(build(), batch), tmp_path / "a.ckpt")
    stored = torch.load(path, weights_only=True)
    assert stored["sercl"].pop("seen_speakers") == {"train": [], "validation": []}
    stored["sercl"]["heard"] = speakers
    torch.save(stored, path)
    for restored in (EmotionClassifier.restore(path), EmotionClassifier.load_from_checkpoint(path)):
        assert restored.seen_speakers == speakers


def test_saved_in_full_it_needs_no_encoder(build, batch, fit_standardizer, tmp_path):
    encoder = tiny_encoder("whisper", tmp_path / "encoder")
    task = fit_standardizer(build(encoder=str(encoder), adapter="lora", save_full=True), batch)
    expected = task(batch)
    path = save(task, tmp_path / "a.ckpt")
    for file in sorted(encoder.rglob("*"), reverse=True):
        file.unlink()
    assert torch.allclose(EmotionClassifier.restore(path).eval()(batch), expected, atol=1e-6)


def test_a_changed_encoder_is_refused_and_a_moved_one_accepted(build, batch, fit_standardizer, tmp_path):
    encoder = tiny_encoder("whisper", tmp_path / "encoder")
    path = save(fit_standardizer(build(encoder=str(encoder)), batch), tmp_path / "a.ckpt")
    moved = encoder.rename(tmp_path / "moved")
    EmotionClassifier.restore(path, encoder=str(moved))
    weights = load_file(moved / "model.safetensors")
    name = next(name for name in weights if "fc1.weight" in name)
    save_file({**weights, name: weights[name] + 0.1}, moved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="fingerprint"):
        EmotionClassifier.restore(path, encoder=str(moved))


def edit_json(path: Path, **changes) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


FAMILIES_AND_FILES = [
    ("wav2vec2", {"do_normalize": False}),
    ("wavlm", {"do_normalize": True}),
    ("whisper", {"hop_length": 80}),
    ("whisper", {"n_fft": 800}),
    ("wav2vec2", None),
]


@pytest.mark.parametrize(("family", "change"), FAMILIES_AND_FILES)
def test_the_same_weights_with_another_preprocessor_answer_as_trained(
    build, batch, fit_standardizer, tmp_path, family, change
):
    encoder = tiny_encoder(family, tmp_path / "encoder")
    task = fit_standardizer(build(encoder=str(encoder), whisper_form="padded", layer="last"), batch)
    path, expected = save(task, tmp_path / "a.ckpt"), task(batch)
    settings = encoder / "preprocessor_config.json"
    if change is None:
        settings.unlink()
    else:
        edit_json(settings, **change)
    other = fit_standardizer(build(encoder=str(encoder), whisper_form="padded", layer="last"), batch)
    with pytest.raises(CheckpointError, match=r"has another preprocessor_config\.json \(.* in training"):
        other.on_load_checkpoint(checkpoints.read(path))
    with pytest.warns(SerclWarning, match="audio is prepared as in training"):
        restored = EmotionClassifier.restore(path)
    assert restored.encoder.preprocessing == task.encoder.preprocessing
    assert torch.equal(restored.eval()(batch), expected)


@pytest.mark.parametrize(
    ("family", "change"),
    [
        ("wav2vec2", {"num_attention_heads": 4}),
        ("wav2vec2", {"layer_norm_eps": 0.1}),
        ("hubert", {"hidden_act": "relu"}),
        ("whisper", {"encoder_attention_heads": 4}),
    ],
)
def test_the_same_weights_with_another_config_are_refused(
    build, batch, fit_standardizer, tmp_path, family, change
):
    encoder = tiny_encoder(family, tmp_path / "encoder")
    path = save(fit_standardizer(build(encoder=str(encoder)), batch), tmp_path / "a.ckpt")
    edit_json(encoder / "config.json", **change, transformers_version="4.0", id2label={"0": "x"})
    with pytest.raises(CheckpointError, match=next(iter(change))):
        EmotionClassifier.restore(path)


def test_a_config_without_a_place_for_weights_is_refused_by_their_names(
    build, batch, fit_standardizer, tmp_path
):
    encoder = tiny_encoder("wav2vec2-bert", tmp_path / "encoder")
    path = save(fit_standardizer(build(encoder=str(encoder)), batch), tmp_path / "a.ckpt")
    edit_json(encoder / "config.json", position_embeddings_type=None)
    with pytest.raises(EncoderError, match=r"no parameters for 3 weights .*distance_embedding"):
        EmotionClassifier.restore(path)


def test_what_does_not_decide_may_change(build, batch, fit_standardizer, tmp_path):
    encoder = tiny_encoder("wav2vec2", tmp_path / "encoder")
    path = save(fit_standardizer(build(encoder=str(encoder)), batch), tmp_path / "a.ckpt")
    edit_json(encoder / "config.json", transformers_version="4.0", vocab_size=99, hidden_dropout=0.5)
    EmotionClassifier.restore(path)


def test_a_relative_encoder_is_found_from_any_folder(build, batch, fit_standardizer, tmp_path, monkeypatch):
    tiny_encoder("whisper", tmp_path / "project" / "models" / "enc")
    (tmp_path / "project" / "runs").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    task = fit_standardizer(build(encoder="models/enc"), batch)
    save(task, Path("runs/a.ckpt"))
    monkeypatch.chdir("/")
    restored = EmotionClassifier.restore(tmp_path / "project" / "runs" / "a.ckpt")
    assert torch.equal(restored.eval()(batch), task(batch))
    assert restored.encoder.name == "models/enc"
    moved = (tmp_path / "project").rename(tmp_path / "moved")  # with all that is in it
    EmotionClassifier.restore(moved / "runs" / "a.ckpt")
    (moved / "models").rename(tmp_path / "elsewhere")
    with pytest.raises(EncoderError, match=r"project/models/enc' does not exist.*--encoder FOLDER"):
        EmotionClassifier.restore(moved / "runs" / "a.ckpt")


def rewritten(path: Path, change) -> Path:
    stored = torch.load(path, weights_only=True)
    change(stored)
    torch.save(stored, path)
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["sercl"].update(format=99, version="9.9"), "format 99 of sercl 9.9"),
        (lambda c: c.pop("sercl"), "not one of sercl"),
        (lambda c: c.update(sercl=3), "not one of sercl"),
        (lambda c: c.pop("hyper_parameters"), "no 'hyper_parameters'"),
        (lambda c: c.pop("state_dict"), "no 'state_dict'"),
        (lambda c: c["hyper_parameters"].update(prompt="x"), "with options .* does not have: prompt"),
        (
            lambda c: c["state_dict"].update({"readout.heads.0.1.bias": torch.zeros(9)}),
            r"readout\.heads\.0\.1\.bias has the shape \[9\], the model's \[4\]",
        ),
        (lambda c: c["sercl"].update(task="diarization"), "this is a diarization checkpoint"),
        (lambda c: c["state_dict"].pop("readout.heads.0.1.weight"), "lacks weights"),
        (lambda c: c["state_dict"].update(extra=torch.zeros(1)), "holds unknown weights"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(build, batch, fit_standardizer, tmp_path, change, said):
    path = save(fit_standardizer(build(layer="last"), batch), tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match=said):
        EmotionClassifier.restore(rewritten(path, change))


def test_a_checkpoint_names_the_packages_that_it_needs(build, batch, fit_standardizer, tmp_path, monkeypatch):
    path = save(fit_standardizer(build(adapter="lora", layer="last"), batch), tmp_path / "a.ckpt")
    plugin = plugins.Plugin(plugins.ADAPTERS, "prefixbias", "uniser.adapters:BIAS", "uniser", "0.1")
    with monkeypatch.context() as patch:
        patch.setattr(plugins, "installed", lambda: (plugin,))
        needed = checkpoints.packages_of("lora+prefixbias", "wavlm")
    assert needed == {"sercl.adapters": {"prefixbias": "uniser 0.1"}}
    changed = rewritten(path, lambda held: held["sercl"].update(packages=needed))
    with pytest.raises(
        CheckpointError, match=r"a\.ckpt: its adapter 'prefixbias' is of the package uniser 0\.1"
    ):
        EmotionClassifier.restore(changed)


def test_a_class_that_has_gone_is_named_with_its_checkpoint(
    build, batch, fit_standardizer, tmp_path, monkeypatch
):
    path = save(fit_standardizer(build(), batch), tmp_path / "a.ckpt")
    monkeypatch.setattr(imports, "_allowed", {"sercl.tasks.classification"})
    changed = rewritten(path, lambda held: held["sercl"].update(model="sercl.tasks.classification.Gone"))
    said = r"a\.ckpt: its model: there is no class 'Gone' in .* Valid: EmotionClassifier\. Its package must"
    with pytest.raises(UsageError, match=said):
        EmotionClassifier.restore(changed)


def test_other_files_are_no_checkpoints(tmp_path):
    text = tmp_path / "a.ckpt"
    text.write_text("hello")
    for path, said in [
        (text, "not a checkpoint"),
        (tmp_path, "is a folder"),
        (tmp_path / "b", "does not exist"),
    ]:
        with pytest.raises(CheckpointError, match=said):
            checkpoints.read(path)


def test_a_pickled_object_is_refused(tmp_path):
    torch.save({"sercl": torch.nn.Linear(1, 1)}, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match="loads safely"):
        checkpoints.read(tmp_path / "a.ckpt")


def test_an_earlier_checkpoint_does_not_normalise_vectors(build, batch, fit_standardizer, tmp_path):
    task = fit_standardizer(build(layer_norm=False), batch)
    stored = torch.load(save(task, tmp_path / "a.ckpt"), weights_only=True)
    del stored["hyper_parameters"]["layer_norm"]
    torch.save(stored, tmp_path / "earlier.ckpt")
    loaded = EmotionClassifier.restore(tmp_path / "earlier.ckpt")
    assert not loaded.readout.layer_norm
    assert torch.equal(loaded.eval()(batch), task.eval()(batch))
