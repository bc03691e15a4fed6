"""What a training continues from, whatever happened to its folder."""

import random
import shutil
from itertools import pairwise

import pytest
import torch

from sercl.data.datamodules import LanguagePair, Manifest
from sercl.errors import CheckpointError, SerclWarning, UsageError
from sercl.studies.training.fit import stage_folders, train
from sercl.studies.training.resuming import check_limits
from sercl.studies.training.resuming import damage as file_damage
from sercl.studies.training.stages import finished
from sercl.studies.training.trainers import TrainerOptions
from sercl.tasks.classification import EmotionClassifier


@pytest.fixture
def steps(monkeypatch):
    """The epochs of all training steps."""
    epochs, step = [], EmotionClassifier.training_step

    def counted(self, batch, index):
        epochs.append(self.current_epoch)
        return step(self, batch, index)

    monkeypatch.setattr(EmotionClassifier, "training_step", counted)
    return epochs


def trainers(epochs, monitor=("val/loss", "min"), patience=50, min_delta=0.0, filename="best"):
    options = TrainerOptions(
        {"max_epochs": epochs, "accelerator": "cpu", "logger": False, "num_sanity_val_steps": 0,
         "enable_model_summary": False},
        {"monitor": "val/loss", "patience": patience, "min_delta": min_delta,
         "check_on_train_epoch_end": True},
        {"monitor": monitor[0], "mode": monitor[1], "filename": filename, "save_last": True,
         "enable_version_counter": False, "auto_insert_metric_name": False, "save_on_train_epoch_end": True},
    )  # fmt: skip
    return lambda stage, folder: options.build(folder)


FIRST_IS_BEST = ("epoch", "min")


def run(encoder, data, folder, trainer_for, resume=False, **model):
    torch.manual_seed(0)
    task = EmotionClassifier(encoder, whisper_form="short", dropout=0.3, **({"layer": 1} | model))
    return train(task, data, trainer_for, folder, resume)


def weights(path):
    return torch.load(path, weights_only=True)["state_dict"]


def same(one, other):
    one, other = weights(one), weights(other)
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def said(recwarn):
    return "\n".join(str(each.message) for each in recwarn if each.category is SerclWarning)


def killed(folder):
    """Make of a finished training one killed after its last epoch, before it said that it was done."""
    (folder / "stage.json").unlink()


@pytest.mark.parametrize("copied", [False, True])
def test_a_moved_run_keeps_its_best_epoch(encoder, data, tmp_path, copied):
    run(encoder, data, tmp_path / "old", trainers(2, FIRST_IS_BEST))
    killed(tmp_path / "old")
    if copied:
        shutil.copytree(tmp_path / "old", tmp_path / "new")
    else:
        (tmp_path / "old").rename(tmp_path / "new")
    (result,) = run(encoder, data, tmp_path / "new", trainers(3, FIRST_IS_BEST), resume=True)
    assert (result.epoch, result.score, result.epochs) == (0, 0.0, 3)
    assert result.checkpoint == str(tmp_path / "new" / "best.ckpt")
    assert copied == (tmp_path / "old").exists()


@pytest.mark.parametrize("adapter", ["lora+bottleneck+gating", "full"])
def test_a_resumed_training_of_adapters_ends_in_the_same_weights(encoder, data, tmp_path, adapter):
    model = {"adapter": adapter, "layer": "last"}
    run(encoder, data, tmp_path / "whole", trainers(3, FIRST_IS_BEST), **model)
    run(encoder, data, tmp_path / "killed", trainers(1, FIRST_IS_BEST), **model)
    killed(tmp_path / "killed")
    run(encoder, data, tmp_path / "killed", trainers(3, FIRST_IS_BEST), resume=True, **model)
    assert same(tmp_path / "whole" / "last.ckpt", tmp_path / "killed" / "last.ckpt")


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_run_killed_between_two_stages_draws_as_if_it_was_not(encoder, data, tmp_path, is_recorded):
    def run(folder, resume=False):
        torch.manual_seed(0)
        options = {"adapter": "gating", "head_first": True, "dropout": 0.3, "whisper_form": "short"}
        train(EmotionClassifier(encoder, layer=1, **options), data, trainers(2), folder, resume)

    run(tmp_path / "whole")
    head = shutil.copytree(tmp_path / "whole" / "head", tmp_path / "killed" / "head")
    if not is_recorded:  # the last epoch was complete, but not the stage
        (head / "stage.json").unlink()
    run(tmp_path / "killed", resume=True)
    for name in ("last.ckpt", "best.ckpt"):
        assert same(tmp_path / "whole" / name, tmp_path / "killed" / name)


@pytest.mark.parametrize("patience", [1, 2])
def test_a_run_killed_after_early_stopping_stays_stopped(encoder, data, tmp_path, steps, patience):
    stopping = trainers(9, patience=patience, min_delta=100.0)
    (first,) = run(encoder, data, tmp_path, stopping)
    assert (first.epochs, first.stopped_early) == (patience + 1, True)
    killed(tmp_path)
    steps.clear()
    (again,) = run(encoder, data, tmp_path, stopping, resume=True)
    assert steps == []
    assert (again.epochs, again.stopped_early, again.epoch) == (first.epochs, True, first.epoch)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, empty, flip])
def test_a_damaged_last_epoch_is_said_and_the_best_one_gone_on_from(
    encoder, data, tmp_path, steps, recwarn, damage
):
    run(encoder, data, tmp_path / "whole", trainers(3, FIRST_IS_BEST))
    run(encoder, data, tmp_path / "killed", trainers(2, FIRST_IS_BEST))
    killed(tmp_path / "killed")
    damage(tmp_path / "killed" / "last.ckpt")
    steps.clear()
    run(encoder, data, tmp_path / "killed", trainers(3, FIRST_IS_BEST), resume=True)
    assert set(steps) == {1, 2}
    assert "last.ckpt: damaged" in said(recwarn)
    assert "best.ckpt, after 1 epochs" in said(recwarn)
    for name in ("last.ckpt", "best.ckpt"):
        assert same(tmp_path / "whole" / name, tmp_path / "killed" / name)


def test_any_flipped_bit_is_found_or_changes_nothing(encoder, data, tmp_path):
    run(encoder, data, tmp_path, trainers(1))
    whole, path = (tmp_path / "last.ckpt").read_bytes(), tmp_path / "flipped.ckpt"
    draw, found = random.Random(0), 0
    for _ in range(200):
        content = bytearray(whole)
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        found += (reason := file_damage(path)) is not None
        assert reason is not None or same(path, tmp_path / "last.ckpt")
    assert found > 100


def test_checkpoints_of_others_are_left_alone(encoder, data, tmp_path, steps):
    run(encoder, data, tmp_path / "other", trainers(3))
    mine = tmp_path / "run" / "mine.ckpt"
    mine.parent.mkdir()
    shutil.copy(tmp_path / "other" / "last.ckpt", mine)
    content = mine.read_bytes()
    run(encoder, data, tmp_path / "run", trainers(2))
    killed(tmp_path / "run")
    for name in ("last.ckpt", "best.ckpt"):
        cut(tmp_path / "run" / name)
    steps.clear()
    run(encoder, data, tmp_path / "run", trainers(2), resume=True)
    assert set(steps) == {0, 1}
    assert mine.read_bytes() == content


@pytest.mark.parametrize("damage", [cut, lambda path: path.unlink()])
def test_a_lost_best_epoch_is_trained_again(encoder, data, tmp_path, steps, recwarn, damage):
    run(encoder, data, tmp_path / "whole", trainers(3, FIRST_IS_BEST))
    run(encoder, data, tmp_path / "killed", trainers(2, FIRST_IS_BEST))
    killed(tmp_path / "killed")
    damage(tmp_path / "killed" / "best.ckpt")
    steps.clear()
    run(encoder, data, tmp_path / "killed", trainers(3, FIRST_IS_BEST), resume=True)
    assert set(steps) == {0, 1, 2}
    assert "best.ckpt, is" in said(recwarn)
    assert "training starts over" in said(recwarn)
    assert same(tmp_path / "whole" / "best.ckpt", tmp_path / "killed" / "best.ckpt")


def test_a_run_killed_between_its_two_checkpoints_ends_the_same(encoder, data, tmp_path):
    """With names by epoch the file that the last checkpoint takes for the best is gone by then."""
    latest = {"monitor": ("epoch", "max"), "filename": "best-{epoch}"}
    run(encoder, data, tmp_path / "killed", trainers(1, **latest))
    first = (tmp_path / "killed" / "last.ckpt").read_bytes()
    killed(tmp_path / "killed")
    run(encoder, data, tmp_path / "killed", trainers(2, **latest), resume=True)
    killed(tmp_path / "killed")
    (tmp_path / "killed" / "last.ckpt").write_bytes(first)
    for name in ("whole", "killed"):
        (result,) = run(encoder, data, tmp_path / name, trainers(3, **latest), resume=name == "killed")
        assert result.epoch == 2
    assert same(tmp_path / "whole" / "best-2.ckpt", tmp_path / "killed" / "best-2.ckpt")


def test_more_epochs_are_trained_where_the_limit_was_the_end(encoder, data, tmp_path, steps):
    for epochs in (1, 3):
        (result,) = run(encoder, data, tmp_path / "more", trainers(epochs), resume=epochs == 3)
        assert (result.epochs, finished(tmp_path / "more").epochs) == (epochs, epochs)
    assert sorted(set(steps)) == [0, 1, 2]
    steps.clear()
    assert run(encoder, data, tmp_path / "more", trainers(3), resume=True) == [result]
    assert steps == []
    run(encoder, data, tmp_path / "at once", trainers(3))
    assert same(tmp_path / "more" / "last.ckpt", tmp_path / "at once" / "last.ckpt")


def test_more_epochs_change_nothing_where_early_stopping_was_the_end(encoder, data, tmp_path, steps):
    first = run(encoder, data, tmp_path, trainers(5, patience=1, min_delta=100.0))
    steps.clear()
    assert run(encoder, data, tmp_path, trainers(9, patience=1, min_delta=100.0), resume=True) == first
    assert steps == []


def test_more_epochs_need_the_last_one(encoder, data, tmp_path):
    run(encoder, data, tmp_path, trainers(1))
    (tmp_path / "last.ckpt").unlink()
    with pytest.raises(CheckpointError, match=r"last epoch \(last\.ckpt\) is missing"):
        run(encoder, data, tmp_path, trainers(2), resume=True)
    assert finished(tmp_path).epochs == 1


@pytest.mark.parametrize("ended", [True, False])
def test_fewer_epochs_than_there_are_are_refused(encoder, data, tmp_path, ended):
    run(encoder, data, tmp_path, trainers(2))
    if not ended:
        killed(tmp_path)
    check_limits({"train": tmp_path}, trainers(2))
    with pytest.raises(UsageError, match=r"trained for 2 epochs, but --trainer\.max_epochs allows 1"):
        check_limits({"train": tmp_path}, trainers(1))


def test_where_the_first_of_two_stages_goes_on_the_second_begins_anew(encoder, tables, tmp_path):
    pair = LanguagePair(Manifest(tables[0]), Manifest(tables[1]), setting="two-stage", switch_epoch=9)
    for folder, limits in (("more", (1, 2)), ("at once", (2,))):
        for before, epochs in pairwise((None, *limits)):
            results = run(encoder, pair, tmp_path / folder, trainers(epochs), resume=before is not None)
        assert [result.epochs for result in results] == [2, 2]
    for stage in ("source", "target"):
        assert same(tmp_path / "more" / stage / "last.ckpt", tmp_path / "at once" / stage / "last.ckpt")
    assert list(stage_folders(EmotionClassifier(encoder), pair, tmp_path)) == ["source", "target"]


def changed_states(stored, key, value):
    head, _, rest = key.partition("/")
    key = int(head) if head.isdecimal() else head
    if rest:
        changed_states(stored[key], rest, value)
    elif value is None:
        del stored[key]
    else:
        stored[key] = value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optimizer_states/0/state/0/step", None),
        ("optimizer_states/0/state/0/exp_avg", "x"),
        ("optimizer_states/0/state/0/exp_avg_sq", torch.zeros(7)),
        ("optimizer_states/0/param_groups/0/betas", 3),
        ("callbacks/RandomState", 3),
        ("callbacks/RandomState/torch", torch.zeros(2)),
        ("callbacks/RandomState/numpy/0", "x"),
    ],
)
def test_states_that_nobody_wrote_are_one_message(encoder, data, tmp_path, key, value):
    run(encoder, data, tmp_path, trainers(1, FIRST_IS_BEST))
    killed(tmp_path)
    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)
    changed_states(stored, key, value)
    torch.save(stored, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"last\.ckpt: training cannot continue from it"):
        run(encoder, data, tmp_path, trainers(2, FIRST_IS_BEST), resume=True)


@pytest.mark.parametrize(
    ("key", "value"),
    [("callbacks", "x"), ("epoch", "x"), ("global_step", -1), ("epoch", 1.5), ("loops", "x")],
)
def test_epochs_that_nobody_counted_are_damage(encoder, data, tmp_path, key, value):
    run(encoder, data, tmp_path, trainers(1, FIRST_IS_BEST))
    stored = torch.load(tmp_path / "last.ckpt", weights_only=True)
    changed_states(stored, key, value)
    torch.save(stored, tmp_path / "last.ckpt")
    assert "its record of epochs was changed" in file_damage(tmp_path / "last.ckpt")
