"""Processes that torchrun or SLURM has started say once what all of them have met, and lose no message."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from sercl.cli import siblings
from sercl.cli.siblings import Failure, Together

ROOT = Path(__file__).parents[2]
WRONG, OTHER, RIGHT = ("fit", "--data.rooot", "x"), ("fit", "--modle", "x"), ("--version",)


def torchrun(rank: int, run: str) -> dict[str, str]:
    where = {"TORCHELASTIC_RUN_ID": run, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    return {**where, "RANK": f"{rank}", "LOCAL_RANK": f"{rank}", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}


def slurm(rank: int, run: str) -> dict[str, str]:
    where = {"SLURM_JOB_ID": run, "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2"}
    return {**where, "SLURM_PROCID": f"{rank}", "SLURM_LOCALID": f"{rank}"}


WAITING = """
import sys
from sercl.cli import siblings
from sercl.cli.main import main
siblings.WAIT = float(sys.argv[1])
sys.exit(main(sys.argv[2:]))
"""


def said(lines, environment, tmp_path, wait=120.0) -> list[str]:
    """Run a command line in each of two processes that wait for each other; return what each says on stderr.

    Where the first does not know how many they are, it is started, and waits for a moment, when the other has
    failed.
    """
    run = uuid.uuid4().hex

    def start(rank, wait):
        return subprocess.Popen(
            [sys.executable, "-c", WAITING, str(wait), *lines[rank]], cwd=ROOT, stderr=subprocess.PIPE,
            text=True, stdout=subprocess.DEVNULL,
            env={**os.environ, **environment(rank, run), "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    second = start(1, wait)
    if environment is slurm:
        while not list(tmp_path.glob("sercl-*/1.json")):
            assert second.poll() is None
            time.sleep(0.01)
    processes = [start(0, 0.1 if environment is slurm else wait), second]
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0 if words == RIGHT else 2 for words in lines]
    assert errors[0] or not list(tmp_path.glob("sercl-*/*.json"))
    return errors


@pytest.mark.parametrize("environment", [torchrun, slurm])
def test_what_all_have_met_is_said_once(environment, tmp_path):
    first, second = said([WRONG, WRONG], environment, tmp_path)
    assert first.startswith("error: unknown option --data.rooot")
    assert first.count("error: ") == 1
    assert second == ""
    assert not list(tmp_path.iterdir())


def test_what_another_process_alone_has_met_is_said_with_its_rank(tmp_path):
    first, second = said([WRONG, OTHER], torchrun, tmp_path)
    assert "error: unknown option --data.rooot" in first
    assert "error: rank 1: unknown option --modle" in first
    assert second == ""


def test_a_process_speaks_for_itself_where_the_first_has_not_failed(tmp_path):
    first, second = said([RIGHT, WRONG], torchrun, tmp_path, wait=0.1)
    assert first == ""
    assert second.startswith("error: rank 1: unknown option --data.rooot")


def of(rank, folder, count=2):
    return Together(folder, rank, rank, count)


def test_what_only_follows_from_the_failure_of_another_is_not_said(tmp_path, monkeypatch):
    monkeypatch.setattr(siblings, "WAIT", 0.3)
    lost, cause = Failure("connection lost", 1, lost=True), Failure("no memory", 1)
    assert of(1, tmp_path / "a").to_say(cause) == ["rank 1: no memory"]
    assert of(0, tmp_path / "a").to_say(lost) == []
    assert not (tmp_path / "a").exists()
    assert of(0, tmp_path / "b").to_say(lost) == ["connection lost"]
    assert of(2, tmp_path / "c", 3).to_say(cause) == ["rank 2: no memory"]
    assert of(1, tmp_path / "c", 3).to_say(lost) == []


def test_where_nothing_can_be_left_each_speaks(tmp_path):
    (tmp_path / "file").touch()
    assert of(1, tmp_path / "file" / "x").to_say(Failure("no", 2)) == ["rank 1: no"]


@pytest.mark.parametrize("environment", [torchrun, slurm])
def test_a_process_knows_that_it_is_one_of_several(environment, monkeypatch):
    for name, value in environment(1, "7").items():
        monkeypatch.setenv(name, value)
    found = Together.found()
    assert found is not None
    assert (found.rank, found.local_rank) == (1, 1)
    for name in environment(1, "7"):
        monkeypatch.delenv(name)
    assert Together.found() is None


FAILING = """
import os, sys
from sercl.cli.main import main
from sercl.errors import AudioError
from sercl.tasks.classification import EmotionClassifier

step, failing = EmotionClassifier.training_step, sys.argv[1]

def training_step(self, batch, index):
    if os.environ["RANK"] in failing and self.global_step > 0:
        raise AudioError("a.wav", "broken")
    return step(self, batch, index)

EmotionClassifier.training_step = training_step
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow
def test_torchrun_ends_with_the_message_of_the_process_that_failed(fit_words, tmp_path):
    (tmp_path / "failing.py").write_text(FAILING)
    words = [
        *fit_words,
        "--trainer.devices",
        "2",
        "--trainer.strategy",
        "ddp",
        "--data.loader.batch_size",
        "8",
    ]
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    ended = subprocess.run(
        [sys.executable, *command, "failing.py", "1", *words, "--out", "run"], cwd=tmp_path,
        capture_output=True, text=True, timeout=400, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert errors == ["error: rank 1: a.wav: broken"], ended.stderr
    assert ended.returncode == 1
