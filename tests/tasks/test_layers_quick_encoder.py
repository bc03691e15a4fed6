import lightning.pytorch as L
import pytest
import torch

from sercl.batch import NO_LABEL
from sercl.models.encoders.fast.packed import JoinedStates, supported
from sercl.models.pooling import frame_mask
from sercl.tasks.diarization import EmotionDiarizer
from sercl.tasks.diarizer import Diarizer
from sercl.tasks.layers import quick_encoder
from sercl.tasks.sliding import SlidingClassifier

QUIET = {"logger": False, "accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
CPU = torch.device("cpu")

needs_onednn = pytest.mark.skipif(not supported(torch.float32), reason="needs oneDNN on x86-64")


@pytest.fixture
def diarizer(whisper):
    torch.manual_seed(0)
    return EmotionDiarizer(whisper, whisper_form="short", standardize=False)


def is_quick(task, batch):
    with torch.no_grad():
        return isinstance(task.encode(batch).hidden_states, JoinedStates)


def trainer(**options):
    return L.Trainer(**{**QUIET, **options})


@needs_onednn
def test_a_frozen_encoder_is_quick_inside_and_as_before_outside(diarizer, batch):
    diarizer.train()
    with quick_encoder(diarizer, trainer()):
        assert is_quick(diarizer, batch)
    assert not is_quick(diarizer, batch)


def test_the_loss_and_its_gradients_are_the_same_within_rounding(diarizer, batch):
    def gradients():
        diarizer.zero_grad()
        logits, lengths = diarizer.logits(batch)
        labels = torch.where(frame_mask(logits, lengths), 1, NO_LABEL)
        diarizer.loss(logits, labels).backward()
        return [parameter.grad.clone() for parameter in diarizer.readout.parameters()]

    ordinary = gradients()
    with quick_encoder(diarizer, trainer()):
        ours = gradients()
    for own, reference in zip(ours, ordinary, strict=True):
        torch.testing.assert_close(own, reference, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("model", "training", "on_audio"),
    [
        ({"adapter": "full"}, {}, True),
        ({"adapter": "lora"}, {}, True),
        ({"adapter": "lora"}, {"precision": "bf16-mixed"}, True),
        ({}, {}, False),
    ],
)
def test_all_else_runs_as_ever(whisper, batch, model, training, on_audio):
    task = EmotionDiarizer(whisper, whisper_form="short", **model)
    with quick_encoder(task, trainer(**training), on_audio):
        assert task.encoder._inference is None
        assert not is_quick(task, batch)


@pytest.mark.skipif(not supported(torch.bfloat16), reason="needs a processor with bfloat16")
def test_mixed_precision_is_that_of_the_encoder_too(diarizer, batch):
    with torch.no_grad():
        reference, lengths = diarizer.features(batch)
        with quick_encoder(diarizer, trainer(precision="bf16-mixed")):
            assert is_quick(diarizer, batch)
            ours, _ = diarizer.features(batch)
    valid = frame_mask(reference, lengths)
    error = ((ours - reference)[valid].norm() / reference[valid].norm()).item()
    assert ours.dtype == torch.float32
    assert 0 < error < 0.02


def test_without_bfloat16_mixed_precision_runs_as_ever(diarizer, batch, monkeypatch):
    monkeypatch.setattr("sercl.tasks.layers.supported", lambda dtype: dtype == torch.float32)
    with quick_encoder(diarizer, trainer(precision="bf16-mixed")):
        assert diarizer.encoder._inference is None


@needs_onednn
def test_what_hears_recordings_is_quick_while_it_lives(diarizer, build, batch):
    classifier = build()
    systems = [Diarizer(diarizer, CPU), SlidingClassifier(classifier, CPU)]
    assert is_quick(diarizer, batch)
    assert is_quick(classifier, batch)
    systems.clear()
    assert not is_quick(diarizer, batch)
    assert not is_quick(classifier, batch)
