"""What is trained is in training mode, whatever came before the first batch: every random draw is on."""

import json
from pathlib import Path

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from sercl.data.clips.config import ClipConfig
from sercl.data.config import LoaderConfig
from sercl.data.datamodules import Diarization, LanguagePair, Manifest
from sercl.studies.training.fit import train
from sercl.tasks.callbacks import LastEpoch, RandomState
from sercl.tasks.classification import EmotionClassifier
from sercl.tasks.diarization import EmotionDiarizer
from sercl.testing.encoders import tiny_encoder
from tests.data.corpora import write_manifest

FAMILIES = ("wav2vec2", "hubert-stable", "wavlm", "data2vec-audio", "wav2vec2-bert", "whisper")
QUIET = {"logger": False, "accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
_RATES = ("dropout", "hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout")


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """Folders of tiny encoders by family; every dropout in them is 0.1."""
    return {family: with_dropout(family, tmp_path_factory.mktemp(family)) for family in FAMILIES}


def with_dropout(family: str, folder: Path) -> str:
    path = tiny_encoder(family, folder, blocks=2) / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, **{name: 0.1 for name in _RATES if name in config}}))
    return str(folder)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    root = tmp_path_factory.mktemp("tables")
    return [write_manifest(root / name, per_emotion=1, prefix=name) for name in ("a", "b")]


def manifest(table):
    return Manifest(table, loader=LoaderConfig(batch_size=4))


@pytest.fixture
def data(tables):
    return manifest(tables[0])


class Modes(L.Callback):
    """Note at each training batch which parts of what is trained are in evaluation mode."""

    def __init__(self, stop_at=None):
        self.off, self.batches, self._stop_at = [], 0, stop_at

    def on_train_batch_start(self, trainer, task, batch, index):
        self.batches += 1
        self.off += [name for name, module in task.named_modules() if silent(name, module, task)]
        if (trainer.current_epoch, index) == self._stop_at:
            raise KeyboardInterrupt


def silent(name, module, task):
    return not module.training and not (name.startswith("encoder") and task.encoder_is_frozen)


def trainers(modes, epochs=2, **options):
    def build(stage, folder):
        saver = ModelCheckpoint(folder, filename="best", enable_version_counter=False, monitor="val/loss")
        callbacks = [RandomState(), EarlyStopping("val/loss", patience=9), saver, LastEpoch(folder), modes]
        return L.Trainer(max_epochs=epochs, callbacks=callbacks, num_sanity_val_steps=0, **QUIET, **options)

    return build


def classifier(encoder, **options):
    torch.manual_seed(0)
    return EmotionClassifier(
        **{
            "encoder": encoder,
            "adapter": "lora",
            "layer": 2,
            "dropout": 0.2,
            "whisper_form": "short",
            **options,
        }
    )


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_dropout_acts_from_the_first_batch_on(family, standardize, encoders, data, tmp_path):
    modes = Modes()
    task = classifier(encoders[family], standardize=standardize)
    train(task, data, trainers(modes, epochs=1), tmp_path, resume=False)
    assert modes.batches
    assert not modes.off


@pytest.mark.parametrize(
    "options",
    [
        {"adapter": "full"},
        {"head_first": True},
        {"head_first": True, "standardize": False},
        {"adapter": "none"},
    ],
)
def test_every_dropout_acts_whatever_is_trained(options, encoders, data, tmp_path):
    modes = Modes()
    data.setup()
    train(classifier(encoders["wav2vec2"], **options), data, trainers(modes), tmp_path, resume=False)
    assert not modes.off


def test_a_frozen_encoder_stays_in_evaluation_mode(encoders, data, tmp_path):
    task = classifier(encoders["wav2vec2"], adapter="none")
    seen = []

    class Watch(Modes):
        def on_train_batch_start(self, trainer, task, batch, index):
            seen.append((task.encoder.training, task.readout.training))

    train(task, data, trainers(Watch(), epochs=1), tmp_path, resume=False)
    assert set(seen) == {(False, True)}


@pytest.mark.parametrize("standardize", [True, False])
def test_every_dropout_acts_in_both_stages(standardize, encoders, tables, tmp_path):
    pair, modes = LanguagePair(*map(manifest, tables), setting="two-stage"), Modes()
    pair.setup()
    task = classifier(encoders["wav2vec2"], standardize=standardize)
    train(task, pair, trainers(modes, epochs=1), tmp_path, resume=False)
    assert not modes.off


@pytest.mark.parametrize("interval", [1.0, 0.5])
@pytest.mark.parametrize("family", ["wav2vec2", "whisper"])
def test_a_run_that_was_killed_in_an_epoch_resumes_to_the_same_weights(
    family, interval, encoders, tables, tmp_path
):
    def run(name, modes, resume=False):
        task = classifier(encoders[family], standardize=False)
        build = trainers(modes, epochs=3, val_check_interval=interval)
        train(task, manifest(tables[0]), build, tmp_path / name, resume)
        return torch.load(tmp_path / name / "last.ckpt", weights_only=True)["state_dict"]

    whole = run("whole", Modes())
    with pytest.raises(SystemExit):  # what Lightning makes of Ctrl-C
        run("killed", Modes(stop_at=(1, 1)))
    torch.manual_seed(1)  # another process draws from elsewhere
    modes = Modes()
    resumed = run("killed", modes, resume=True)
    assert not modes.off
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("standardize", [True, False])
def test_every_dropout_acts_in_a_diarizer(standardize, encoders, tables, tmp_path):
    clips = ClipConfig(voice="none", min_piece=0.05)
    data = Diarization([Manifest(tables[0])], clips, loader=LoaderConfig(batch_size=4))
    task = EmotionDiarizer(encoders["wavlm"], "lora", "last", standardize=standardize, dropout=0.1)
    modes = Modes()
    train(task, data, trainers(modes, epochs=1), tmp_path, resume=False)
    assert modes.batches
    assert not modes.off
