"""One fault of each kind in a small training: what is said, what is kept, and that it goes on."""

import json
import shutil
import time

import pytest
import soundfile
import torch
from filelock import FileLock

from sercl.cli.main import main
from sercl.errors import SerclWarning
from sercl.tasks.classification import EmotionClassifier
from sercl.testing.corpora import fake_corpus
from tests.cli.words import replaced


@pytest.fixture
def disturbed(monkeypatch):
    """Let something happen once, in the first training step of the second epoch."""

    def disturb(action):
        step, done = EmotionClassifier.training_step, []

        def disturbing(task, batch, index):
            if task.current_epoch == 1 and not done:
                done.append(index)
                action(task)
            return step(task, batch, index)

        monkeypatch.setattr(EmotionClassifier, "training_step", disturbing)
        return done

    return disturb


def weights(folder):
    return torch.load(folder / "best.ckpt", weights_only=True)["state_dict"]


def test_a_folder_that_vanishes_ends_the_run_with_one_message(fit_words, tmp_path, disturbed, capsys):
    done = disturbed(lambda task: shutil.rmtree(tmp_path / "run"))
    assert main([*fit_words, "--trainer.logger", "false", "--out", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err
    assert done
    assert error.count("error: ") == 1
    assert f"{tmp_path / 'run'}: was removed or moved while the run was writing to it." in error
    assert not (tmp_path / "run").exists()


@pytest.fixture
def own_corpus(tmp_path):
    """A fake EMO-DB that a test may change."""
    return fake_corpus("EmoDB", tmp_path / "emodb", speakers=6, per_emotion=1)


def test_recordings_that_change_during_a_run_are_named_and_nothing_is_mixed(
    fit_words, own_corpus, tmp_path, disturbed, capsys
):
    changed = []

    def change(task):
        path = sorted((own_corpus / "wav").glob("*.wav"))
        for each in path:
            samples, rate = soundfile.read(each)
            soundfile.write(each, samples[::-1][: len(samples) - 800], rate)
            changed.append(each)

    disturbed(change)
    words = replaced(fit_words, "--data.root", str(own_corpus))
    words = [*words, "--model.adapter", "gating", "--out", str(tmp_path / "run")]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert changed
    assert "was changed while this run was using it" in error
    assert error.count("error: ") == 1
    assert (tmp_path / "run" / "best.ckpt").is_file()
    assert not (tmp_path / "run" / "results.json").exists()


def test_a_clock_that_is_set_back_changes_nothing(fit_words, tmp_path, disturbed, monkeypatch):
    words = [*fit_words, "--model.layer", "1"]
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    now = time.time
    done = disturbed(lambda task: monkeypatch.setattr(time, "time", lambda: now() - 3e8))
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    assert done
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "run")
    assert all(torch.equal(one[name], two[name]) for name in one)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["seconds"] >= 0
    assert all(stage["seconds"] >= 0 for stage in results["stages"])


def test_a_second_run_in_the_same_folder_is_refused_and_harms_nothing(fit_words, tmp_path, capsys):
    folder = tmp_path / "run"
    folder.mkdir()
    with FileLock(folder / ".lock"):
        assert main([*fit_words, "--out", str(folder)]) == 1
    assert "another run is writing to this folder. Wait for its end" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) in ([], [".lock"])


@pytest.mark.parametrize("adapter", ["none", "gating"])
def test_a_loss_that_is_not_finite_stops_says_where_and_keeps_the_last_epoch(
    adapter, fit_words, tmp_path, monkeypatch, capsys
):
    loss = EmotionClassifier.training_loss

    def broken(task, batch):
        factor = float("nan") if task.current_epoch == 1 else 1.0
        return loss(task, batch) * factor

    words = [*fit_words, "--model.adapter", adapter, "--out", str(tmp_path / "run")]
    monkeypatch.setattr(EmotionClassifier, "training_loss", broken)
    assert main(words) == 1
    error = capsys.readouterr().err
    assert error.count("error: ") == 1
    assert "error: epoch 2, step " in error
    assert "the loss is nan, for " in error
    assert f"The best epoch before is kept in {tmp_path / 'run' / 'best.ckpt'}." in error
    assert all(value.isfinite().all() for value in weights(tmp_path / "run").values())
    monkeypatch.undo()
    assert main([*words, "--resume"]) == 0


def test_memory_that_runs_out_in_a_batch_is_said_and_the_run_ends_as_any(fit_words, tmp_path, monkeypatch):
    loss = EmotionClassifier.training_loss

    def small(task, batch):
        if len(batch) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return loss(task, batch)

    words = [*fit_words, "--model.layer", "1", "--data.loader.batch_size", "16"]
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    monkeypatch.setattr(EmotionClassifier, "training_loss", small)
    with pytest.warns(SerclWarning, match="16 clips did not fit into GPU memory: it is trained in 2 parts"):
        assert main([*words, "--out", str(tmp_path / "run")]) == 0
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "run")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-5, msg=name)
