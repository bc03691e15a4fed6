import subprocess
import sys

import lightning.pytorch as L
import pytest
import torch

from sercl.batch import NO_LABEL
from sercl.errors import SerclWarning
from sercl.models.encoders.fast.packed import JoinedStates, supported
from sercl.models.encoders.training import KEPT_BYTES
from sercl.models.pooling import frame_mask
from sercl.tasks.diarization import EmotionDiarizer
from sercl.tasks.diarizer import Diarizer
from sercl.tasks.layers import quick_encoder
from sercl.tasks.sliding import SlidingClassifier
from sercl.testing.encoders import tiny_encoder

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
        ({"adapter": "full", "adapters": {"full": {"parts": "all"}}}, {}, True),
        ({"adapter": "lora"}, {"precision": "64-true"}, True),
        ({"adapter": "lora"}, {}, False),
        ({}, {}, False),
    ],
)
def test_all_else_runs_as_ever(whisper, batch, model, training, on_audio):
    task = EmotionDiarizer(whisper, whisper_form="short", **model)
    with quick_encoder(task, trainer(**training), on_audio):
        assert task.encoder._inference is None
        assert not is_quick(task, batch)


@needs_onednn
@pytest.mark.parametrize("repeats", [True, False])
def test_an_encoder_with_adapters_is_quick_with_gradients_too(whisper, batch, repeats, monkeypatch):
    kept = []
    monkeypatch.setattr("sercl.models.encoders.training.Remembered", Noting(kept))
    task = EmotionDiarizer(whisper, whisper_form="short", adapter="lora+gating")
    with quick_encoder(task, trainer(), repeats=repeats):
        assert task.encoder._inference is None
        assert isinstance(task.encode(batch).hidden_states, JoinedStates)
    assert not is_quick(task, batch)
    assert kept == [KEPT_BYTES if repeats else 0]  # augmented clips would only fill the memory


class Noting:
    def __init__(self, notes):
        self.notes = notes

    def __call__(self, stem, most):
        self.notes.append(most)
        return stem


@pytest.mark.parametrize(("slow", "on_audio"), [(True, True), (True, False), (False, True)])
def test_a_precision_that_the_processor_does_not_have_is_warned_of(
    diarizer, slow, on_audio, monkeypatch, recwarn
):
    monkeypatch.setattr("sercl.tasks.layers.is_slow", lambda dtype: slow and dtype == torch.bfloat16)
    for precision in ("32-true", "bf16-mixed"):
        quick_encoder(diarizer, trainer(precision=precision), on_audio)
    said = [str(each.message) for each in recwarn if each.category is SerclWarning]
    assert len(said) == (slow and on_audio)
    assert all("bf16-mixed" in each and "32-true" in each for each in said)


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


PROGRAM = """
import sys
from pathlib import Path
from sercl.models.encoders import infer_with, load_encoder
class Owner: ...
owner, encoder = Owner(), load_encoder(sys.argv[1]).eval()
infer_with(owner, encoder)
assert encoder._inference is not None
"""


def test_a_program_ends_in_silence_while_something_hears_recordings(tmp_path):
    folder = str(tiny_encoder("whisper", tmp_path))
    done = subprocess.run([sys.executable, "-c", PROGRAM, folder], capture_output=True, text=True, check=True)
    assert done.stderr == ""
