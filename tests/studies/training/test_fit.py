import json

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from sercl.audio.augment import AugmentConfig
from sercl.batch import AudioBatch, FeatureBatch
from sercl.corpora.folds.config import FoldConfig
from sercl.data.datamodules import LanguagePair, Manifest
from sercl.errors import CheckpointError, DivergedError, OutputError, UsageError
from sercl.features.config import FeatureConfig
from sercl.models.encoders.fast.packed import supported
from sercl.studies.heads.frozen import Regressions, fit_regressions
from sercl.studies.training.fit import extract_features, load_weights, score, train
from sercl.tasks.callbacks import LastEpoch
from sercl.tasks.classification import EmotionClassifier
from sercl.tasks.optim import OptimizerConfig

QUIET = {"logger": False, "accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}


@pytest.fixture
def task(encoder):
    torch.manual_seed(0)
    return EmotionClassifier(encoder, layer=1, whisper_form="short")


@pytest.fixture
def pair(tables):
    return LanguagePair(Manifest(tables[0]), Manifest(tables[1]), setting="two-stage")


def trainers(epochs=3, **checkpoint):
    """Build trainers, and remember for which stage and folder."""

    def build(stage, folder):
        build.asked.append((stage, folder))
        saver = ModelCheckpoint(
            folder, filename="best", enable_version_counter=False, **{"monitor": "val/loss", **checkpoint}
        )
        callbacks = [EarlyStopping("val/loss", patience=50), saver, LastEpoch(folder)]
        return L.Trainer(max_epochs=epochs, callbacks=callbacks, num_sanity_val_steps=0, **QUIET)

    build.asked = []
    return build


def no_extraction(task):
    raise AssertionError("no head is trained first here")


def weights(path):
    return torch.load(path, weights_only=True)["state_dict"]


def test_the_task_ends_with_the_weights_of_the_best_epoch(task, data, tmp_path):
    # By this choice the first epoch is the best.
    (result,) = train(
        task, data, trainers(monitor="epoch", mode="min"), tmp_path, resume=False, extract=no_extraction
    )
    assert (result.stage, result.epoch, result.epochs, result.stopped_early) == ("train", 0, 3, False)
    assert (result.monitor, result.score, result.chosen_state) == ("epoch", 0.0, 1)
    best, last = weights(tmp_path / "best.ckpt"), weights(tmp_path / "last.ckpt")
    name = "readout.heads.0.1.weight"
    assert not torch.equal(best[name], last[name])
    assert torch.equal(task.state_dict()[name], best[name])
    assert json.loads((tmp_path / "stage.json").read_text())["checkpoint"] == "best.ckpt"


def test_stages_follow_each_other_from_the_best_weights_of_the_one_before(task, pair, tmp_path):
    pair.setup()
    seen, build = [], trainers(epochs=1)

    def watched(stage, folder):
        speakers = {utterance.speaker[0] for utterance in pair.splits["train"].utterances}
        seen.append((stage, speakers, task.readout.heads[0][1].weight.detach().clone()))
        return build(stage, folder)

    results = train(task, pair, watched, tmp_path, resume=False, extract=no_extraction)
    assert build.asked == [("source", tmp_path / "source"), ("target", tmp_path / "target")]
    assert [result.stage for result in results] == ["source", "target"]
    assert [speakers for _, speakers, _ in seen] == [{"a"}, {"b"}]
    assert torch.equal(seen[1][2], weights(results[0].checkpoint)["readout.heads.0.1.weight"])


def adapted(encoder, **options):
    torch.manual_seed(0)
    return EmotionClassifier(
        encoder, "gating", layer=1, whisper_form="short", **{"head_first": True, **options}
    )


@pytest.mark.parametrize("source", ["data", "pair"])
def test_a_head_that_comes_first_is_the_one_of_the_frozen_encoder(encoder, source, request, tmp_path):
    data, extracted, build = request.getfixturevalue(source), [], trainers(epochs=2)
    data.setup()
    task, seen = adapted(encoder), {}

    def watched(stage, folder):
        seen[stage] = {name: value.clone() for name, value in task.readout.state_dict().items()}
        return build(stage, folder)

    results = train(task, data, watched, tmp_path, resume=False, extract=extracted.append)
    assert [result.stage for result in results] == ["head", *data.stages]
    assert build.asked[0] == ("head", tmp_path / "head")
    (twin,) = extracted
    assert (twin.adapter, twin.can_use_features) == ("none", True)
    start = {f"readout.{name}": value for name, value in seen[data.stages[0]].items()}
    head = weights(tmp_path / "head" / "best.ckpt")
    assert start.keys() == head.keys()
    assert all(torch.equal(start[name], head[name]) for name in head)


def test_adapters_are_trained_on_audio_after_a_head_on_features(encoder, data, tmp_path, monkeypatch):
    data.setup()
    kinds, step = [], EmotionClassifier.training_step

    def noted(self, batch, index):
        kinds.append((self.adapter, type(batch)))
        return step(self, batch, index)

    def extract(task):
        trainer = L.Trainer(**QUIET)
        extract_features(task, data, trainer, FeatureConfig(str(tmp_path / "store")))

    monkeypatch.setattr(EmotionClassifier, "training_step", noted)
    train(adapted(encoder), data, trainers(epochs=1), tmp_path, resume=False, extract=extract)
    assert list(dict.fromkeys(kinds)) == [("none", FeatureBatch), ("gating", AudioBatch)]


def test_a_head_that_is_done_is_not_trained_again(encoder, data, tmp_path, monkeypatch):
    steps, step = [], EmotionClassifier.training_step

    def counted(self, batch, index):
        steps.append(self.adapter)
        return step(self, batch, index)

    monkeypatch.setattr(EmotionClassifier, "training_step", counted)
    data.setup()
    first = train(adapted(encoder), data, trainers(epochs=1), tmp_path, resume=False, extract=lambda _: None)
    for path in (tmp_path / "stage.json", tmp_path / "last.ckpt"):
        path.unlink()
    second = train(adapted(encoder), data, trainers(epochs=1), tmp_path, resume=True, extract=no_extraction)
    assert steps == ["none", "gating", "gating"]
    assert second[0] == first[0]


def test_a_head_comes_first_only_where_more_follows(encoder):
    with pytest.raises(UsageError, match="adapter none"):
        EmotionClassifier(encoder, layer=1, head_first=True)


def test_a_finished_stage_is_not_run_again(task, data, tmp_path, monkeypatch):
    first = train(task, data, trainers(epochs=1), tmp_path, resume=False, extract=no_extraction)
    trained = {name: value.clone() for name, value in task.state_dict().items()}
    with torch.no_grad():
        task.readout.heads[0][1].weight.zero_()
    monkeypatch.setattr(EmotionClassifier, "training_step", pytest.fail)
    assert train(task, data, trainers(epochs=1), tmp_path, resume=True, extract=no_extraction) == first
    assert all(torch.equal(value, trained[name]) for name, value in task.state_dict().items())


def test_without_resume_a_finished_stage_is_run_again(task, data, tmp_path):
    train(task, data, trainers(epochs=1), tmp_path, resume=False, extract=no_extraction)
    again = trainers(epochs=1)
    train(task, data, again, tmp_path, resume=False, extract=no_extraction)
    assert len(again.asked) == 1


def test_an_unfinished_stage_goes_on_where_it_stopped(task, data, tmp_path, monkeypatch):
    train(task, data, trainers(epochs=1), tmp_path, resume=False, extract=no_extraction)
    (tmp_path / "stage.json").unlink()
    epochs, step = [], EmotionClassifier.training_step

    def counted(self, batch, index):
        epochs.append(self.current_epoch)
        return step(self, batch, index)

    monkeypatch.setattr(EmotionClassifier, "training_step", counted)
    (result,) = train(task, data, trainers(epochs=3), tmp_path, resume=True, extract=no_extraction)
    assert (result.epochs, epochs) == (3, [1, 2])


def test_a_record_whose_checkpoint_has_gone_says_what_to_do(task, data, tmp_path):
    train(task, data, trainers(epochs=1), tmp_path, resume=False, extract=no_extraction)
    (tmp_path / "best.ckpt").unlink()
    with pytest.raises(CheckpointError, match=r"best\.ckpt is missing.*Delete .*to train all stages"):
        train(task, data, trainers(), tmp_path, resume=True, extract=no_extraction)


def test_a_stage_without_an_epoch_is_an_error(task, data, tmp_path):
    with pytest.raises(OutputError, match="'train' ended after 0 steps"):
        train(task, data, trainers(epochs=0), tmp_path, resume=False, extract=no_extraction)


def test_a_stage_that_monitors_nothing_has_no_score(task, data, tmp_path):
    (result,) = train(task, data, trainers(monitor=None), tmp_path, resume=False, extract=no_extraction)
    assert (result.score, result.monitor, result.epoch) == (None, "None", 2)


def test_a_loss_that_is_no_number_ends_training(task, data, tmp_path, monkeypatch):
    monkeypatch.setattr(task, "losses", lambda logits, labels: logits.mean(dim=(0, 2)) * torch.nan)
    with pytest.raises(DivergedError, match="epoch 1, step 1: the loss is nan"):
        train(task, data, trainers(), tmp_path, resume=False, extract=no_extraction)
    assert not (tmp_path / "stage.json").exists()


def test_a_stage_that_diverges_in_validation_stops_and_has_no_score(task, data, tmp_path, monkeypatch):
    def losses(logits, labels):
        return logits.mean(dim=(0, 2)) * (1.0 if task.training else torch.nan)

    monkeypatch.setattr(task, "losses", losses)
    (result,) = train(task, data, trainers(), tmp_path, resume=False, extract=no_extraction)
    assert (result.score, result.epochs, result.stopped_early) == (None, 1, True)
    json.loads((tmp_path / "stage.json").read_text(), parse_constant=pytest.fail)


def test_weights_of_another_task_are_refused(task, data, encoder, tmp_path):
    train(task, data, trainers(epochs=1), tmp_path, resume=False, extract=no_extraction)
    other = EmotionClassifier(
        encoder, layer=1, whisper_form="short", labels={"angry": ["angry"], "sad": ["sad"]}
    )
    with pytest.raises(CheckpointError, match="classes"):
        load_weights(other, tmp_path / "best.ckpt")


@pytest.mark.parametrize("part", ["test", "validation"])
def test_every_utterance_of_a_part_is_scored_once_in_the_order_of_ids(task, data, tmp_path, part):
    train(task, data, trainers(epochs=1), tmp_path, resume=False, extract=no_extraction)
    scored = score(task, data, L.Trainer(enable_checkpointing=False, **QUIET), part)
    utterances = {item.id: item.emotion for item in data.splits[part].utterances}
    ids = scored.utterance.tolist()
    assert ids == sorted(utterances)
    assert [task.classes[label] for label in scored.truth] == [utterances[id] for id in ids]
    assert scored.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    speakers = {item.id: item.speaker for item in data.splits[part].utterances}
    assert scored.speaker.tolist() == [speakers[id] for id in ids]


def first_batch(data):
    return next(iter(data.train_dataloader()))


def extract(task, data, folder, on_progress=None):
    trainer = L.Trainer(enable_checkpointing=False, **QUIET)
    config = FeatureConfig(dir=str(folder), workers=0)
    return extract_features(task, data, trainer, config, on_progress=on_progress)


def test_a_frozen_encoder_sees_every_utterance_once(task, data, tmp_path):
    data.setup()
    done = []
    assert extract(task, data, tmp_path, lambda what, now, total: done.append((now, total)))
    assert done[-1] == (len(data.utterances_in_use),) * 2
    assert isinstance(first_batch(data), FeatureBatch)
    assert first_batch(data).features.shape[1:] == (1, 16)


def test_audio_stays_where_the_encoder_or_the_clips_change(encoder, tables, tmp_path):
    augmented = Manifest(tables[0], augment=AugmentConfig(gain_db=(-3.0, 3.0)))
    adapted = EmotionClassifier(encoder, adapter="gating", whisper_form="short")
    frozen = EmotionClassifier(encoder, layer=1, whisper_form="short")
    for task, data in ((adapted, Manifest(tables[0])), (frozen, augmented)):
        data.setup()
        assert not extract(task, data, tmp_path, pytest.fail)
        assert isinstance(first_batch(data), AudioBatch)


@pytest.mark.skipif(not supported(torch.float32), reason="needs oneDNN on x86-64")
@pytest.mark.parametrize("on_audio", [True, False])
def test_a_frozen_encoder_is_prepared_only_where_it_hears_audio(task, data, tmp_path, monkeypatch, on_audio):
    prepared = []
    step = EmotionClassifier.training_step

    def noted(self, batch, index):
        prepared.append(self.encoder._inference is not None)
        return step(self, batch, index)

    monkeypatch.setattr(EmotionClassifier, "training_step", noted)
    data.setup()
    if not on_audio:
        extract(task, data, tmp_path / "store")
    train(task, data, trainers(epochs=1), tmp_path / "run", resume=False, extract=no_extraction)
    assert set(prepared) == {on_audio}
    assert task.encoder._inference is None


@pytest.mark.parametrize("decided", [1, None])
def test_the_layer_of_auto_is_decided_before_each_stage(decided, encoder, pair, tmp_path, monkeypatch):
    task, asked = EmotionClassifier(encoder, layer="auto", whisper_form="short", head_init="random"), []

    def choose(features, rows, train, validation, config, device, adapt):
        assert adapt is None
        asked.append((features.shape[:2], {rows.corpora[row] for row in train}, len(train), len(validation)))
        return Regressions(decided, ())

    monkeypatch.setattr("sercl.studies.training.fit.fit_regressions", choose)
    results = train_stored(task, pair, tmp_path)
    sizes = []
    for stage in pair.stages:
        pair.set_stage(stage)
        sizes.append([len(pair.splits[part].utterances) for part in ("train", "validation")])
    assert [list(each[2:]) for each in asked] == sizes
    assert [len(corpora) for _, corpora, *_ in asked] == [1, 1]
    assert {shape[1] for shape, *_ in asked} == {task.encoder.num_states}
    if decided is not None:
        assert [result.chosen_state for result in results] == [decided, decided]


def train_stored(task, data, folder):
    """Train for an epoch on stored hidden states."""
    data.setup()
    extract_features(task, data, L.Trainer(**QUIET), FeatureConfig(dir=folder / "store"))
    return train(task, data, trainers(epochs=1), folder / "run", resume=False)


def regressions_of(monkeypatch):
    """Return a list to which every result of `fit_regressions` will be added, with its configuration."""
    found = []

    def fitted(features, rows, train, validation, config, *others):
        found.append((fit_regressions(features, rows, train, validation, config, *others), config))
        return found[-1][0]

    monkeypatch.setattr("sercl.studies.training.fit.fit_regressions", fitted)
    return found


@pytest.mark.parametrize("layer", ["auto", 1])
@pytest.mark.parametrize("options", [{}, {"layer_norm": False}, {"standardize": False}])
def test_linear_heads_start_from_regressions_in_the_first_stage(
    layer, options, encoder, pair, tmp_path, monkeypatch
):
    found, still = regressions_of(monkeypatch), OptimizerConfig(head_lr=1e-12)
    task = EmotionClassifier(encoder, layer=layer, whisper_form="short", optimizer=still, **options)
    train_stored(task, pair, tmp_path)
    (first, config), later = found[0], found[1:]
    assert len(later) == (layer == "auto")  # which decides the layer again
    assert len(first.heads) == len(task.readout.heads) == (task.encoder.num_states if layer == "auto" else 1)
    for head, expected in zip(task.readout.heads, first.heads, strict=True):
        torch.testing.assert_close(head[1].weight.detach(), expected["1.weight"])
    assert config.layer_norm is options.get("layer_norm", True)
    assert config.standardize is options.get("standardize", True)


def test_a_model_trained_on_everything_starts_from_regressions(encoder, tables, tmp_path, monkeypatch):
    found, still = regressions_of(monkeypatch), OptimizerConfig(head_lr=1e-12)
    data = Manifest(tables[0], folds=FoldConfig(scheme="none"))
    task = EmotionClassifier(encoder, layer=1, whisper_form="short", optimizer=still)
    data.setup()
    extract_features(task, data, L.Trainer(**QUIET), FeatureConfig(dir=tmp_path / "store"))

    def build(stage, folder):
        saver = ModelCheckpoint(folder, filename="best", monitor=None)
        return L.Trainer(max_epochs=1, callbacks=[saver, LastEpoch(folder)], **QUIET)

    train(task, data, build, tmp_path / "run", resume=False)
    ((regressions, _),) = found
    torch.testing.assert_close(task.readout.heads[0][1].weight.detach(), regressions.heads[0]["1.weight"])


WITHOUT_BIAS = {"class_path": "torch.nn.Linear", "init_args": {"bias": False}}


@pytest.mark.parametrize(
    "options", [{"head_init": "random"}, {"head": "paper"}, {"head": WITHOUT_BIAS}, {"layer": "weighted"}]
)
def test_other_heads_start_at_random(options, encoder, data, tmp_path, monkeypatch):
    monkeypatch.setattr("sercl.studies.training.fit.fit_regressions", no_extraction)
    task = EmotionClassifier(encoder, **{"layer": 1, "whisper_form": "short", **options})
    assert task.head_init == "random"
    train_stored(task, data, tmp_path)


def test_without_stored_hidden_states_validation_chooses_the_layer(encoder, data, tmp_path, monkeypatch):
    task = EmotionClassifier(encoder, layer="auto", whisper_form="short")
    monkeypatch.setattr("sercl.studies.training.fit.fit_regressions", no_extraction)
    data.setup()
    (result,) = train(task, data, trainers(epochs=1), tmp_path, resume=False)
    assert result.chosen_state in range(task.encoder.num_states)
