import math
from dataclasses import replace
from pathlib import Path

import lightning.pytorch as L
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sercl.batch import NO_LABEL, FrameBatch
from sercl.data.clips.config import ClipConfig
from sercl.data.config import LoaderConfig
from sercl.data.datamodules import Diarization, Manifest
from sercl.diarization.postprocess import PostConfig
from sercl.errors import CheckpointError, UnknownNameError, UsageError
from sercl.models.readout import Context
from sercl.models.standardize import Standardizer
from sercl.tasks import checkpoint as checkpoints
from sercl.tasks.classification import EmotionClassifier
from sercl.tasks.diarization import EmotionDiarizer, frame_error
from sercl.tasks.optim import OptimizerConfig, build_optimizer
from sercl.testing.encoders import tiny_encoder
from tests.data.corpora import write_manifest
from tests.tasks.test_checkpoint import save


@pytest.fixture
def clips():
    """Three clips that go from neutral to another class half-way."""
    generator = torch.Generator().manual_seed(1)
    lengths = (3200, 6400, 8000)
    waveforms = [0.1 * torch.randn(n, generator=generator) for n in lengths]
    labels = [torch.tensor([2] * 25 + [c] * (n // 64 - 25)) for c, n in zip((0, 1, 3), lengths, strict=True)]
    return FrameBatch.from_clips(waveforms, labels, ["a", "b", "c"])


@pytest.fixture
def build_diarizer(whisper, clips):
    """Build a diarizer on the tiny Whisper encoder, with a fitted standardiser."""

    def build(**options):
        torch.manual_seed(0)
        task = EmotionDiarizer(**{"encoder": whisper, "whisper_form": "short", **options})
        if task.readout.standardizer is not None:
            task.fit_standardizer(task.readout.standardizer, [clips])
        return task.eval()

    return build


def test_frames_do_not_depend_on_the_batch(build_diarizer, clips):
    task = build_diarizer(context="conv")
    probabilities, lengths = task(clips.audio)
    assert lengths.tolist() == [10, 20, 25]
    assert probabilities.shape == (3, 25, 4)
    assert torch.allclose(probabilities.sum(dim=2), torch.ones(3, 25))
    alone, _ = task(FrameBatch.from_clips([clips.waveforms[0, :3200]], [clips.labels[0, :50]]).audio)
    assert torch.allclose(probabilities[0, :10], alone[0], atol=1e-4)


def test_the_standardiser_does_not_depend_on_how_clips_are_put_into_batches(build_diarizer, clips):
    together = build_diarizer().readout.standardizer
    task = build_diarizer(standardize=True)
    apart = Standardizer(together.mean.shape)
    each = [
        FrameBatch.from_clips([clips.waveforms[i, :n]], [clips.labels[i, : n // 64]], [clips.ids[i]])
        for i, n in enumerate(clips.lengths.tolist())
    ]
    task.fit_standardizer(apart, reversed(each))
    torch.testing.assert_close(apart.mean, together.mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(apart.std, together.std, rtol=1e-4, atol=1e-4)


def test_the_padded_form_gives_only_the_frames_of_the_clips(build_diarizer, clips):
    probabilities, _ = build_diarizer(whisper_form="padded")(clips.audio)
    assert probabilities.shape == (3, 25, 4)


@pytest.mark.parametrize("family", ["wav2vec2", "wavlm-stable", "wav2vec2-bert"])
def test_other_families_give_frames_of_20_ms(tmp_path, family, clips):
    torch.manual_seed(0)
    encoder = str(tiny_encoder(family, tmp_path))
    task = EmotionDiarizer(encoder, layer="last", standardize=False).eval()
    _, lengths = task(clips.audio)
    assert task.hop == 320
    assert 23 <= lengths[2] <= 25
    logits, _ = task.logits(clips.audio)
    assert torch.isfinite(task.loss(logits, clips.labels_of_frames(logits.shape[1], task.hop)))


def test_the_loss_is_the_likelihood_of_labelled_frames(build_diarizer, clips):
    task = build_diarizer()
    logits, _ = task.logits(clips.audio)
    labels = clips.labels_of_frames(logits.shape[1], task.hop)
    valid = labels >= 0
    assert valid.sum(dim=1).tolist() == [10, 20, 25]
    expected = F.nll_loss(logits.log_softmax(-1)[valid], labels[valid])
    assert torch.allclose(task.loss(logits, labels), expected)


def test_weights_are_inverse_to_the_time_of_a_class(build_diarizer):
    task = build_diarizer(class_weights="balanced")
    task.set_class_seconds({"angry": 4.0, "happy": 2.0, "neutral": 1.0, "sad": 1.0})
    assert task.loss_weights.tolist() == [0.5, 1.0, 2.0, 2.0]
    with pytest.raises(UsageError, match="sad"):
        task.set_class_seconds({"angry": 4.0, "happy": 2.0, "neutral": 1.0, "sad": 0.0})
    plain = build_diarizer()
    plain.set_class_seconds({})
    assert plain.loss_weights is None


@pytest.mark.parametrize(
    ("options", "trained"),
    [
        ({}, {"head"}),
        ({"adapter": "lora+gating"}, {"head", "adapter"}),
        ({"adapter": "full", "adapters": {"full": {"parts": "blocks"}}}, {"head", "encoder"}),
    ],
)
def test_each_part_has_its_own_learning_rate(build_diarizer, clips, options, trained):
    rates = {"head": 1e-1, "adapter": 1e-2, "encoder": 1e-3}
    config = OptimizerConfig(**{f"{name}_lr": rate for name, rate in rates.items()})
    task = build_diarizer(optimizer=config, **options)
    groups = task.parameter_groups()
    optimizer = build_optimizer(groups, task.optimizer_config)
    found = {group["name"]: group["lr"] for group in optimizer.param_groups}
    assert found == {name: rates[name] for name in trained}
    logits, _ = task.train().logits(clips.audio)
    task.loss(logits, clips.labels_of_frames(logits.shape[1], task.hop)).backward()
    for name in trained:
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in groups[name])


def test_the_layer_by_default_depends_on_what_is_trained(build_diarizer):
    assert build_diarizer().readout.mix is not None
    assert build_diarizer(adapter="full").readout.states == [3]


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"layer": "auto"}, UsageError, "weighted"),
        ({"context": "lstm"}, UnknownNameError, "gru"),
        ({"class_weights": "equal"}, UnknownNameError, "balanced"),
        ({"labels": {"angry": ["angry"], "sad": ["sad"]}}, UsageError, "needs the class 'neutral'"),
        ({"post": {"smoothing": "mean"}}, UnknownNameError, "viterbi"),
    ],
)
def test_wrong_options_are_named(build_diarizer, options, error, named):
    with pytest.raises(error, match=named):
        build_diarizer(**options)


@pytest.mark.parametrize("adapter", ["none", "lora+bottleneck+gating", "full"])
def test_a_checkpoint_brings_everything_back(build_diarizer, clips, tmp_path, adapter):
    post = PostConfig(smoothing="viterbi", switch_penalty=7.0)
    task = build_diarizer(adapter=adapter, context="gru", post=post)
    with torch.no_grad():
        for p in task.parameters():
            if p.requires_grad:
                p.add_(0.02 * torch.randn(p.shape))
    path = save(task, tmp_path / "a.ckpt")
    restored = EmotionDiarizer.restore(path).eval()
    assert torch.equal(restored(clips.audio)[0], task(clips.audio)[0])
    assert restored.post == post
    about = checkpoints.read(path)["sercl"]
    assert (about["task"], about["classes"]) == ("diarization", ["angry", "happy", "neutral", "sad"])
    held = [name for name in torch.load(path, weights_only=True)["state_dict"] if name.startswith("encoder.")]
    assert (held == []) == (adapter == "none")


def test_a_checkpoint_of_the_other_task_is_refused_with_the_command_to_use(
    build_diarizer, build, batch, fit_standardizer, tmp_path
):
    diarizer = save(build_diarizer(), tmp_path / "diarizer.ckpt")
    classifier = save(fit_standardizer(build(), batch), tmp_path / "classifier.ckpt")
    with pytest.raises(CheckpointError, match=r"classification checkpoint, not diarization.*`sercl predict`"):
        EmotionDiarizer.restore(classifier)
    with pytest.raises(CheckpointError, match=r"diarization checkpoint, not classification.*`sercl diarize`"):
        EmotionClassifier.restore(diarizer)


def data_module(root: Path) -> Diarization:
    corpus = Manifest(write_manifest(root, speakers=5, per_emotion=2))
    clips = ClipConfig(voice="none", min_piece=0.1, per_epoch=16, held_out=6)
    return Diarization([corpus], clips, LoaderConfig(batch_size=4))


def fit(task, data, folder, epochs):
    trainer = L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    trainer.fit(task, datamodule=data)
    return trainer


@pytest.mark.filterwarnings("ignore::UserWarning:lightning")
def test_data_for_another_task_are_refused(build, build_diarizer, tmp_path):
    clips = data_module(tmp_path / "own")
    with pytest.raises(
        UsageError, match=r"data Diarization are for diarization, the model EmotionClassifier"
    ):
        fit(build(), clips, tmp_path, 1)
    with pytest.raises(UsageError, match=r"data Manifest are for classification, the model EmotionDiarizer"):
        fit(build_diarizer(), clips.corpora[0], tmp_path, 1)


@pytest.mark.filterwarnings("ignore::UserWarning:lightning")
def test_it_trains_on_clips_and_tests_on_them(whisper, tmp_path):
    torch.manual_seed(0)
    data = data_module(tmp_path / "own")
    task = EmotionDiarizer(
        whisper, whisper_form="short", class_weights="balanced", optimizer=OptimizerConfig(head_lr=3e-2)
    )
    trainer = fit(task, data, tmp_path, 1)
    first = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert bool(task.readout.standardizer.fitted)
    assert task.loss_weights is not None
    parts = first["val/missed"] + first["val/false_alarm"] + first["val/confusion"]
    assert first["val/eder"] == pytest.approx(parts, abs=1e-5)
    assert {"val/loss", "val/uar", "val/eder_time", "val/eder/sad", "val/boundary_error"} <= first.keys()
    trainer = fit(task, data, tmp_path, 6)
    assert float(trainer.callback_metrics["train/loss"]) < first["train/loss"]
    trainer.test(task, datamodule=data, verbose=False)
    assert [clip.id for clip in task.diarized] == sorted(f"test-{index}" for index in range(6))
    assert all(math.isclose(clip.reference[-1].end, clip.duration) for clip in task.diarized)


def test_the_frame_error_is_the_mean_over_clips_of_labelled_valid_frames():
    logits = F.one_hot(torch.tensor([[0, 1, 2, 3], [0, 0, 1, 1]]), 4).float()
    labels = torch.tensor([[0, 1, 0, NO_LABEL], [0, 1, 3, 3]])
    # One of three labelled frames, and one of the two that are valid.
    assert frame_error(logits, labels, torch.tensor([4, 2])).item() == pytest.approx((1 / 3 + 1 / 2) / 2)


def test_offset_and_scale_do_not_matter_to_a_normed_clip(build_diarizer, clips, monkeypatch):
    task = build_diarizer(standardize=False, layer="last", sentence_mean=True, output_norm=True)
    shifted = replace(clips.audio, waveforms=clips.audio.waveforms + 0.3)
    whole, lengths = task.features(clips.audio)
    moved, _ = task.features(shifted)
    torch.testing.assert_close(moved, whole, atol=1e-3, rtol=1e-3)
    for row, length in enumerate(lengths.tolist()):
        own = whole[row, :length, -1]
        assert own.mean().item() == pytest.approx(0, abs=1e-5)
        assert own.var(unbiased=False).item() == pytest.approx(1, abs=1e-3)
    plain = build_diarizer(standardize=False, layer="last")
    assert not torch.allclose(plain.features(shifted)[0], plain.features(clips.audio)[0], atol=1e-3)


class Sums(Context):
    """A context layer of a user's."""

    def forward(self, hidden, lengths):
        return hidden.cumsum(1)


class OwnDiarizer(EmotionDiarizer):
    """A diarizer of a user's, without a constructor."""

    def build_head(self, dim, classes):
        return nn.Sequential(nn.Linear(dim, 3), nn.Tanh(), nn.Linear(3, classes))

    def build_context(self, dim):
        return Sums(dim)

    def build_loss(self, classes):
        return lambda logits, labels: F.multi_margin_loss(logits, labels)


def test_a_users_context_head_and_loss_see_labelled_frames_only(build_diarizer, clips, tmp_path):
    task = OwnDiarizer(**build_diarizer(layer="last", standardize=False).hparams)
    logits, _ = task.logits(clips.audio)
    labels = clips.labels_of_frames(logits.shape[1], task.hop)
    valid = labels >= 0
    torch.testing.assert_close(task.loss(logits, labels), F.multi_margin_loss(logits[valid], labels[valid]))
    assert task.trainable_counts()["head"] == 3 * task.encoder.hidden_size + 3 + 3 * 4 + 4
    content = {"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}
    task.on_save_checkpoint(content)
    torch.save(content, tmp_path / "own.ckpt")
    again = EmotionDiarizer.restore(tmp_path / "own.ckpt")
    assert type(again) is OwnDiarizer
    assert torch.equal(again.eval()(clips.audio)[0], task.eval()(clips.audio)[0])


def test_a_loss_of_torch_by_its_path(build_diarizer, clips):
    task = build_diarizer(loss={"class_path": "torch.nn.CrossEntropyLoss", "label_smoothing": 0.2})
    logits, _ = task.logits(clips.audio)
    labels = clips.labels_of_frames(logits.shape[1], task.hop)
    valid = labels >= 0
    expected = F.cross_entropy(logits[valid], labels[valid], label_smoothing=0.2)
    torch.testing.assert_close(task.loss(logits, labels), expected)
