"""A study of trainings with two devices each gives what one device gives with the same batches in a step."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import yaml

from sercl.cli.cross_eval import StudyCli, prepare
from sercl.cli.main import main
from sercl.stopping import Postponed
from sercl.studies.cross_eval.study_file import read_study
from sercl.tasks.classification import EmotionClassifier
from tests.cli.test_cross_eval_launchers import TWO, assert_same, with_two_batches
from tests.cli.test_processes import HALVES
from tests.cli.test_sharding import AVERAGING
from tests.processes import rank_of_process


@pytest.fixture(scope="module")
def write_study(crossed, tmp_path_factory):
    """Return what writes the file of a study with its options."""
    folder = tmp_path_factory.mktemp("study")

    def write(name, **study):
        content = {
            "study": {**with_two_batches(crossed), "seeds": [5], "folds": [0], **study},
            "model": {"adapters": {"lora": {"dropout": 0}}} if study["adapters"] == ["lora"] else {},
            "trainer": {"max_epochs": 2, "accelerator": "cpu"},
            "features": {"dir": str(folder / "store")},
            "preprocess": {"trim": "none", "loudness": "none"},
        }
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content))
        return folder / f"{name}.yaml"

    return write


@pytest.fixture(scope="module")
def chain(write_study):
    """A study of a chain of two trainings, of which the first is tested, too."""
    return write_study(
        "chain",
        adapters=["lora"],
        settings=["monolingual", "two-stage"],
        train=["EmoDB"],
        test=["EmoDB", "RAVDESS"],
    )


@pytest.fixture(scope="module")
def chain_alone(chain):
    """The folder of the study in this process, with the batches of two in each step."""
    out = chain.parent / "alone"
    assert main(["cross-eval", "-c", str(chain), "--out", str(out), *HALVES]) == 0
    return out


def stop_parent(patched):
    """Let a rank ask the process that watches it to stop, in the second epoch of the second stage."""
    asked, note, step = [], Postponed._note, EmotionClassifier.training_step

    def noting(postponed, number, frame):
        asked.append(number)
        note(postponed, number, frame)

    def stopping(task, batch, index):
        if rank_of_process() == 1 and task.current_epoch == 1 and "RAVDESS" in task.corpora:
            os.kill(os.getppid(), signal.SIGUSR1)
            while not asked:  # the parent passes it on
                time.sleep(0.01)
        return step(task, batch, index)

    patched.setattr(Postponed, "_note", noting)
    patched.setattr(EmotionClassifier, "training_step", stopping)


@pytest.mark.usefixtures("_forked_ranks")
def test_a_chain_that_is_stopped_and_goes_on_is_that_of_one_process(
    chain, chain_alone, tmp_path, monkeypatch, capsys
):
    words = ["cross-eval", "-c", str(chain), "--out", str(tmp_path / "out"), *TWO]
    with monkeypatch.context() as patched:
        stop_parent(patched)
        assert main(words) == 75
    assert "stopped by SIGUSR1" in capsys.readouterr().err
    assert len(list((tmp_path / "out").rglob("last.ckpt"))) == 1
    assert main(words) == 0
    assert {record.status for record in read_study(tmp_path / "out").records} == {"done"}
    assert_same(chain_alone, tmp_path / "out")
    study = read_study(tmp_path / "out")
    assert any("each training has 2 devices" in remark for remark in study.warnings)
    assert not list((tmp_path / "out").rglob("last.ckpt"))
    # One device has other batches in a step: its results are others, which are computed.
    assert main(["cross-eval", "-c", str(chain), "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    assert "Done: 0 tests" in capsys.readouterr().out


@pytest.mark.usefixtures("_forked_ranks")
def test_devices_may_share_the_weights_of_a_training(write_study, tmp_path):
    study = write_study("full", adapters=["full"], settings=["monolingual"], train=["EmoDB"], test=["EmoDB"])
    words = ["cross-eval", "-c", str(study), "--model.regularization.dropout", "0", "--out"]
    one, two = tmp_path / "one", tmp_path / "two"
    assert main([*words, str(one), *HALVES]) == 0
    assert main([*words, str(two), *TWO, "--trainer.strategy", "fsdp"]) == 0
    assert_same(one, two)


def dying(task, batch, index, step=EmotionClassifier.training_step):
    if rank_of_process() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(task, batch, index)


@pytest.mark.usefixtures("_forked_ranks")
def test_a_rank_that_dies_fails_its_training_alone(chain, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(EmotionClassifier, "training_step", dying)
        assert main(["cross-eval", "-c", str(chain), "--out", str(out), *TWO]) == 1
    records = read_study(out).records
    assert {record.status for record in records} == {"failed"}
    killed = "ProcessFailedError: rank 1: its process was killed by SIGKILL, as the system does when memory"
    assert all(killed in str(record.error) for record in records)
    left = [process for process in multiprocessing.active_children() if process.is_alive()]
    assert not left


@pytest.mark.usefixtures("_forked_ranks")
def test_trainings_side_by_side_have_two_devices_each(chain, chain_alone, tmp_path):
    assert main(["cross-eval", "-c", str(chain), "--out", str(tmp_path / "out"), *TWO, "--jobs", "2"]) == 0
    assert_same(chain_alone, tmp_path / "out")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--trainer.devices", "[0,1]"], "give the number of devices of each training of a study"),
        (["--trainer.devices", "-1"], "give the number of devices"),
        (["--trainer.devices", "0"], "give the number of devices"),
        (["--trainer.num_nodes", "2"], "this command is not started on the other machines"),
        (["--trainer.strategy", "fsdp"], "has one device, so nothing is distributed"),
        (["--trainer.strategy", "fsdp", *TWO, "--model.head_first", "true"], "--model.head_first false"),
        (["--trainer.strategy", "fsdp", *TWO, *AVERAGING], "StochasticWeightAveraging copies whole weights"),
        (["--study.adapters", "[peft:adalora]", "--trainer.strategy", "fsdp", *TWO], "adapter peft:adalora"),
        (["--launcher", "slurm", "--launch.slurm.gpus", "1", *TWO], "Give --launch.slurm.gpus 2"),
        (["--launcher", "ray", *TWO], "Give --launch.ray.cpus 2"),
        (["--jobs", "200", *TWO], "at most 256 processes"),
        (["--trainer.accelerator", "tpu", *TWO], "options of --trainer do not fit"),
    ],
)
def test_what_no_training_could_have_is_refused_before_anything_is_done(chain, more, said, tmp_path, capsys):
    assert main(["cross-eval", "-c", str(chain), "--out", str(tmp_path / "out"), *more]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*"))


def test_a_study_without_adapters_has_no_use_for_several_devices(write_study, tmp_path, capsys):
    study = write_study("frozen", adapters=["none"])
    assert main(["cross-eval", "-c", str(study), "--out", str(tmp_path / "out"), *TWO]) == 2
    assert "heads on frozen encoders are trained on one device" in capsys.readouterr().err
    assert not list(tmp_path.glob("out/*"))


def addresses(study, tmp_path, *more):
    cli = StudyCli(["-c", str(study), *more])
    plan = prepare(cli, Path(tmp_path / "study"), cli.features).plan
    return {item.training.address for item in plan.cells}


def test_results_of_two_devices_have_addresses_of_their_own(chain, tmp_path):
    one, two, three = (addresses(chain, tmp_path, "--trainer.devices", count) for count in ("auto", "2", "3"))
    assert not one & two
    assert not two & three
