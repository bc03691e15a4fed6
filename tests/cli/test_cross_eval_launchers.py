"""The same study, wherever its trainings run."""

import os
import signal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from sercl.cli.main import main
from sercl.studies.cross_eval.study_file import read_study
from sercl.tasks.classification import EmotionClassifier
from tests.cli.test_processes import HALVES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def study(crossed, tmp_path_factory):
    """The file of a study of a frozen encoder and of an adapter: three work items."""
    folder = tmp_path_factory.mktemp("study")
    content = {
        "study": {
            **with_two_batches(crossed),
            "adapters": ["none", "lora"],
            "seeds": {"none": [1, 2], "*": [5]},
            "folds": [0],
        },
        "model": {"adapters": {"lora": {"dropout": 0}}},
        "probe": {"preset": "mlp", "max_epochs": 4},
        "trainer": {"max_epochs": 1, "accelerator": "cpu"},
        "features": {"dir": str(folder / "store")},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(content))
    return folder / "study.yaml"


@pytest.fixture(scope="module")
def alone(study):
    """The folder of the study, run in this process."""
    out = study.parent / "alone"
    assert main(["cross-eval", "-c", str(study), "--out", str(out), *HALVES]) == 0
    return out


def table(out):
    return pq.read_table(out / "predictions.parquet")


def with_two_batches(crossed):
    """Return what a study crosses, with two batches of training in each corpus: one for each device."""
    loader = {"batch_size": 24, "batch_seconds": 0}
    corpora = {
        name: {**own, "init_args": {**own["init_args"], "loader": loader}}
        for name, own in crossed["corpora"].items()
    }
    return {**crossed, "corpora": corpora}


def assert_same(one, two):
    """Two studies have the same predictions, to the rounding of float32; cells may have other addresses."""
    first, second = (table(out).to_pandas() for out in (one, two))
    probabilities = [name for name in first if name.startswith("p_")]
    others = [name for name in first if name not in (*probabilities, "cell")]
    assert first[others].equals(second[others])
    np.testing.assert_allclose(second[probabilities], first[probabilities], atol=1e-4)


TWO = ["--trainer.devices", "2"]
LAUNCHERS = {
    "local": ["--jobs", "2", *HALVES],
    "slurm": ["--launcher", "slurm", "--jobs", "2", "--launch.slurm.executor", "local", *TWO],
    "ray": ["--launcher", "ray", "--jobs", "2", "--launch.ray.cpus", "2", *TWO],
}
EXTRAS = {"local": "torch", "slurm": "submitit", "ray": "ray"}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAUNCHERS)
def test_the_table_is_that_of_one_process(study, alone, name, tmp_path, monkeypatch):
    pytest.importorskip(EXTRAS[name], reason=f"the extra `{name}` is not installed")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    out = tmp_path / "out"
    assert main(["cross-eval", "-c", str(study), "--out", str(out), *LAUNCHERS[name]]) == 0
    assert {record.status for record in read_study(out).records} == {"done"}
    assert [log for log in out.rglob("log.txt") if "Tip:" in log.read_text()] == []  # of Lightning
    if TWO[0] in LAUNCHERS[name]:
        assert_same(alone, out)
    else:
        assert table(out).equals(table(alone))
    assert (out / "scores.csv").read_text() == (alone / "scores.csv").read_text()


@pytest.mark.slow
def test_a_study_that_is_asked_to_stop_goes_on(study, alone, tmp_path, monkeypatch, capsys):
    step = EmotionClassifier.training_step
    words = ["cross-eval", "-c", str(study), "--out", str(tmp_path / "out"), *HALVES]

    def stopping(task, batch, index):
        os.kill(os.getpid(), signal.SIGUSR1)
        return step(task, batch, index)

    with monkeypatch.context() as patched:
        patched.setattr(EmotionClassifier, "training_step", stopping)
        assert main(words) == 75
    assert "stopped by SIGUSR1" in capsys.readouterr().err
    assert len(list((tmp_path / "out").rglob("last.ckpt"))) == 1
    assert main(words) == 0
    assert table(tmp_path / "out").equals(table(alone))
