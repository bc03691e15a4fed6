"""What ended a stage of training is named right, and the scores that decide are those of their own epoch."""

import json
from contextlib import nullcontext
from dataclasses import asdict

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.callbacks import Timer

from sercl.data.config import LoaderConfig
from sercl.data.datamodules import Manifest
from sercl.errors import OutputError, SerclWarning, UsageError
from sercl.studies.training.fit import train
from sercl.studies.training.resuming import check_limits
from sercl.studies.training.stages import ENDS, StageResult, finished
from sercl.studies.training.trainers import TrainerOptions
from sercl.tasks import checkpoint as checkpoints
from sercl.tasks.callbacks import TrainingTime
from sercl.tasks.classification import EmotionClassifier
from sercl.testing.encoders import tiny_encoder
from tests.data.corpora import write_manifest

TRAINER = {
    "max_epochs": 4, "accelerator": "cpu", "enable_model_summary": False, "num_sanity_val_steps": 0,
    "logger": False,
}  # fmt: skip
STOPPING = {"monitor": "val/loss", "patience": 9}
SAVING = {"monitor": "val/loss", "filename": "best", "save_last": True, "enable_version_counter": False}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return str(tiny_encoder("whisper", tmp_path_factory.mktemp("encoder"), blocks=1))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_manifest(tmp_path_factory.mktemp("table"), per_emotion=1)


@pytest.fixture
def fit(encoder, table, tmp_path):
    """Train four epochs of three batches, unless options end it earlier."""

    def fit(trainer=(), stopping=(), saving=(), callbacks=(), folder=tmp_path, resume=False):
        torch.manual_seed(0)
        task = EmotionClassifier(encoder, layer=1, whisper_form="short")
        own = {**TRAINER, "callbacks": list(callbacks), **dict(trainer)}
        options = TrainerOptions(own, {**STOPPING, **dict(stopping)}, {**SAVING, **dict(saving)})
        data = Manifest(table, loader=LoaderConfig(batch_size=4))
        (result,) = train(task, data, lambda _, folder: options.build(folder), folder, resume)
        return result

    return fit


@pytest.fixture
def steps(monkeypatch):
    """Epoch and batch of all training steps."""
    steps, step = [], EmotionClassifier.training_step

    def counted(self, batch, index):
        steps.append((self.current_epoch, index))
        return step(self, batch, index)

    monkeypatch.setattr(EmotionClassifier, "training_step", counted)
    return steps


class LossOf(L.Callback):
    """Let the validation loss be one of a list in turn, as what monitors it sees it."""

    def __init__(self, *losses):
        self._losses = list(losses)

    def on_validation_epoch_end(self, trainer, task):
        loss = torch.tensor(self._losses.pop(0))
        task.candidates.best = lambda add_up, decided: (0, loss, {"uar": torch.tensor(0.5)})


class Stop(L.Callback):
    def on_train_epoch_end(self, trainer, task):
        trainer.should_stop = True


@pytest.mark.parametrize(
    ("options", "losses", "end", "epochs"),
    [
        ({}, (4.0, 3.0, 2.0, 1.0), "epoch limit", 4),
        ({"trainer": {"max_steps": 5}}, (4.0, 3.0), "step limit", 2),
        ({"trainer": {"max_steps": 2}}, (4.0,), "step limit", 1),
        ({"stopping": {"patience": 1}}, (1.0, 2.0), "early stopping", 2),
        ({"stopping": {"patience": 0}}, (1.0, 2.0), "early stopping", 2),
        ({"stopping": {"patience": 3}}, (1.0, 2.0, 2.0, 2.0), "early stopping", 4),
        ({"stopping": {"stopping_threshold": 3.5}}, (4.0, 3.0), "stopping threshold", 2),
        ({"stopping": {"divergence_threshold": 9.0}}, (4.0, 10.0), "divergence threshold", 2),
        ({}, (4.0, float("nan")), "value that is not finite", 2),
        ({"trainer": {"min_epochs": 4}, "stopping": {"patience": 1}}, (1.0, 2.0, 0.5, 0.4), "epoch limit", 4),
        ({"trainer": {"min_epochs": 3}, "stopping": {"patience": 1}}, (1.0, 2.0, 2.0), "early stopping", 3),
        ({"trainer": {"min_steps": 8}, "stopping": {"patience": 1}}, (1.0, 2.0, 2.0), "early stopping", 3),
    ],
)
def test_what_ended_a_stage_is_named(fit, options, losses, end, epochs):
    result = fit(**options, callbacks=[LossOf(*losses)])
    assert (result.ended_by, result.epochs) == (end, epochs)
    assert result.stopped_early is (end not in ("epoch limit", "step limit"))
    assert end in ENDS


def test_a_callback_that_ends_a_stage_is_named(fit):
    assert fit(callbacks=[Stop()]).ended_by == "callback"


def test_a_time_limit_is_named(fit, monkeypatch):
    class Late(L.Callback):
        def on_train_epoch_end(self, trainer, task):
            monkeypatch.setattr(Timer, "time_elapsed", lambda *_: 120.0)

    result = fit({"max_time": "00:00:01:00"}, callbacks=[Late()])
    assert (result.ended_by, result.stopped_early, result.epochs) == ("time limit", False, 2)


def test_patience_and_choice_count_validations_not_epochs(fit):
    losses = LossOf(3.0, 4.0)
    result = fit({"check_val_every_n_epoch": 2}, callbacks=[losses], stopping={"patience": 2})
    assert (result.ended_by, result.epoch, result.score) == ("epoch limit", 1, 3.0)
    losses = LossOf(1.0, 2.0)
    result = fit({"max_epochs": 9, "check_val_every_n_epoch": 2}, {"patience": 1}, callbacks=[losses])
    assert (result.ended_by, result.epochs, result.epoch) == ("early stopping", 4, 1)


def test_every_kept_epoch_has_the_score_of_its_own_validation(fit, tmp_path):
    saving = {"save_top_k": -1, "filename": "best-{epoch}"}
    fit({"check_val_every_n_epoch": 2}, saving=saving, callbacks=[LossOf(3.0, 4.0)])
    assert sorted(path.name for path in tmp_path.glob("best*.ckpt")) == [
        "best-epoch=1.ckpt",
        "best-epoch=3.ckpt",
    ]


def test_validations_within_an_epoch_choose_their_own_weights(fit):
    result = fit({"max_epochs": 2, "val_check_interval": 1}, callbacks=[LossOf(6.0, 1.0, 5.0, 4.0, 3.0, 2.0)])
    assert (result.score, result.epoch) == (1.0, 0)
    assert checkpoints.read(result.checkpoint)["global_step"] == 2


def test_patience_may_end_within_an_epoch(fit):
    losses = LossOf(1.0, 2.0, 2.0)
    result = fit({"val_check_interval": 1}, {"patience": 2}, callbacks=[losses])
    assert (result.ended_by, result.epochs, result.score) == ("early stopping", 1, 1.0)


def test_what_training_logs_is_looked_at_in_every_epoch(fit):
    result = fit(
        {"check_val_every_n_epoch": 3}, {"monitor": "train/loss"}, {"monitor": "train/loss"}, [LossOf(1.0)]
    )
    assert (result.monitor, result.epoch) == ("train/loss", 3)


def test_no_epoch_to_keep_is_said_with_what_ended_the_stage(fit):
    with pytest.raises(OutputError, match=r"ended after 12 steps \(epoch limit\) without saving an epoch"):
        fit({"check_val_every_n_epoch": 9})


def test_what_lightning_refuses_is_wrong_usage(fit):
    with pytest.raises(UsageError, match="val_check_interval"):
        fit({"val_check_interval": 70})
    with pytest.raises(UsageError, match="limit_train_batches"):
        fit({"limit_train_batches": 1.5})


@pytest.mark.parametrize(("limit", "expected"), [(-1, 2), (None, 2), (5, 2), (1, 1)])
def test_the_limit_of_a_stage_holds_beside_any_limit_of_the_trainer(limit, expected, tmp_path):
    options = TrainerOptions({**TRAINER, "max_epochs": limit}, STOPPING, SAVING)
    assert options.build(tmp_path, 2).max_epochs == expected


def test_records_of_earlier_versions_tell_whether_it_was_early_stopping(tmp_path):
    (tmp_path / "best.ckpt").touch()
    for early, end in ((True, "early stopping"), (False, "epoch limit")):
        record = asdict(StageResult("train", "best.ckpt", "val/loss", 0.5, 1, 2, early, 1, 1.0))
        del record["ended_by"]
        (tmp_path / "stage.json").write_text(json.dumps(record))
        assert finished(tmp_path).ended_by == end


def same_weights(one, other):
    one, other = (
        torch.load(folder / "last.ckpt", weights_only=True)["state_dict"] for folder in (one, other)
    )
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("recorded", [True, False])
def test_a_stage_that_its_limit_of_steps_ended_goes_on_under_a_higher_one(fit, steps, tmp_path, recorded):
    fit({"max_steps": 3})
    if not recorded:
        (tmp_path / "stage.json").unlink()  # killed between the end and its record
    same = fit({"max_steps": 3}, resume=True)
    assert (same.ended_by, same.epochs, same.epoch) == ("step limit", 1, 0)
    if not recorded:
        (tmp_path / "stage.json").unlink()
    result = fit({"max_steps": 6}, resume=True)
    assert (result.ended_by, result.epochs) == ("step limit", 2)
    assert steps == [(epoch, batch) for epoch in (0, 1) for batch in range(3)]
    fit({"max_steps": 6}, folder=tmp_path / "at once")
    assert same_weights(tmp_path, tmp_path / "at once")


@pytest.mark.parametrize("recorded", [True, False])
def test_a_limit_within_an_epoch_leaves_out_the_rest_of_it(fit, steps, tmp_path, recorded):
    fit({"max_steps": 4})
    if not recorded:
        (tmp_path / "stage.json").unlink()
    steps.clear()
    with pytest.warns(SerclWarning, match="ended epoch 2 after 1 batches. Training continues with epoch 3"):
        result = fit({"max_epochs": 3}, resume=True)
    assert steps == [(2, 0), (2, 1), (2, 2)]
    assert (result.ended_by, result.epochs) == ("epoch limit", 3)
    steps.clear()
    assert fit({"max_epochs": 3}, resume=True) == result
    assert steps == []


@pytest.mark.parametrize("recorded", [True, False])
def test_a_stage_that_its_limit_of_time_ended_goes_on_under_a_higher_one(
    fit, steps, tmp_path, monkeypatch, recorded
):
    class Late(L.Callback):
        def on_train_epoch_end(self, trainer, task):
            late.setattr(Timer, "time_elapsed", lambda *_: 120.0)

    with monkeypatch.context() as late:
        assert fit({"max_time": "00:00:01:00"}, callbacks=[Late()]).ended_by == "time limit"
    if not recorded:
        (tmp_path / "stage.json").unlink()
    same = fit({"max_time": "00:00:01:00"}, resume=True)
    assert (same.ended_by, same.epochs) == ("time limit", 2)
    if not recorded:
        (tmp_path / "stage.json").unlink()
    steps.clear()
    result = fit({"max_time": "00:00:05:00"}, resume=True)
    assert (result.ended_by, result.epochs) == ("epoch limit", 4)
    assert {epoch for epoch, _ in steps} == {2, 3}


def test_the_seconds_of_a_stage_are_those_of_all_its_sittings(fit, tmp_path, monkeypatch):
    """Each sitting begins 100 s before it does; the limit of time counts them all, too."""
    before = TrainingTime.setup

    def early(clock, *args, **kwargs):
        before(clock, *args, **kwargs)
        clock._begin -= 100

    monkeypatch.setattr(TrainingTime, "setup", early)
    fit({"max_epochs": 1})
    assert 100 < fit({"max_epochs": 2}, resume=True).seconds - 100 < 200
    (tmp_path / "stage.json").unlink()
    assert 200 < fit({"max_epochs": 3}, resume=True).seconds - 100 < 300
    late = fit({"max_epochs": 4, "max_time": "00:00:05:00"}, resume=True)
    assert (late.ended_by, late.epochs) == ("time limit", 3)
    assert finished(tmp_path).seconds == late.seconds


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize(
    ("limit", "later", "refused"),
    [
        (None, 50, True),
        (None, 500, False),
        (60, 60, False),
        (60, 59, True),
        (60, None, False),
        (300, 99, True),
    ],
)
def test_less_time_than_was_used_is_refused(fit, tmp_path, monkeypatch, recorded, limit, later, refused):
    monkeypatch.setattr(TrainingTime, "seconds", 100.0)
    fit({"max_epochs": 1, "max_time": limit and {"seconds": limit}})
    if not recorded:
        (tmp_path / "stage.json").unlink()
    options = TrainerOptions({**TRAINER, "max_time": later and {"seconds": later}}, STOPPING, SAVING)
    with pytest.raises(UsageError) if refused else nullcontext() as caught:
        check_limits({"train": tmp_path}, lambda _, folder: options.build(folder))
    if refused:
        assert f"trained for 100 s, but --trainer.max_time allows {later} s" in str(caught.value)


def test_fewer_steps_than_were_trained_are_refused_without_the_last_epoch_too(fit, tmp_path):
    fit({"max_epochs": 1}, saving={"save_last": False})
    options = TrainerOptions({**TRAINER, "max_steps": 2}, STOPPING, SAVING)
    with pytest.raises(UsageError, match=r"trained for 3 steps, but --trainer\.max_steps allows 2"):
        check_limits({"train": tmp_path}, lambda _, folder: options.build(folder))
