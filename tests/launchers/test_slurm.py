"""Through submitit's local executor: the same road as on a cluster, but for `sbatch`."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sercl.errors import MissingExtraError, SerclError
from sercl.launchers import LaunchConfig, SlurmConfig, get_launcher
from sercl.launchers.slurm import Slurm, _parameters, _submit
from tests.launchers import samples
from tests.launchers.samples import ROOT, by_name, ends, works

HERE = SlurmConfig(executor="local", minutes=10)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.slow
def test_jobs_that_fail_or_die_take_no_other_down(tmp_path: Path) -> None:
    done = tmp_path / "done"
    calls = works(
        tmp_path, bad=samples.fail, killed=samples.die, good=(samples.write, done, "yes"), loud=samples.speak
    )
    outcomes = by_name(list(Slurm(HERE, jobs=2).run(calls)))
    assert outcomes["bad"].error == "ValueError: no such thing"
    assert "ended without a result" in str(outcomes["killed"].error)
    assert outcomes["good"].error is None
    assert outcomes["good"].seconds > 0
    assert done.read_text(encoding="utf-8") == "yes"
    assert "in fail" in (tmp_path / "logs" / "bad.txt").read_text(encoding="utf-8")
    said = (tmp_path / "logs" / "loud.txt").read_text(encoding="utf-8")
    assert all(word in said for word in ("said", "complained", "warned", "logged"))
    assert (tmp_path / "logs" / ".submitit").is_dir()


def test_the_local_executor_runs_one_at_a_time_where_nothing_is_said() -> None:
    assert Slurm(HERE, jobs=0).jobs == 1
    assert Slurm(SlurmConfig(), jobs=0).jobs == 1000
    assert Slurm(SlurmConfig(), jobs=7).jobs == 7


def test_jobs_run_at_the_same_time(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    outcomes = list(Slurm(HERE, jobs=2).run(works(tmp_path, a=(samples.meet, a, b), b=(samples.meet, b, a))))
    assert [outcome.error for outcome in outcomes] == [None, None]


SCRIPT = """
import sys
from pathlib import Path
from tests.launchers import samples, test_slurm

folder = Path(sys.argv[1])
launcher = test_slurm.Slurm(test_slurm.HERE, jobs=1)
list(launcher.run(samples.works(folder, long=(samples.sleep, folder / "pids"))))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_jobs_are_cancelled_when_the_run_is_ended(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    # Of its own group, as a background job is: Ctrl-C reaches this process, not the jobs.
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as run:
        [pid, child] = samples.pids_in(tmp_path / "pids")
        run.send_signal(number)
        run.communicate(timeout=samples.LIMIT)
    assert run.returncode in (-number, 128 + number)
    assert ends(pid)
    os.kill(
        child, signal.SIGKILL
    )  # SLURM ends whatever a job has started; submitit's local executor does not


@pytest.mark.slow
def test_a_job_whose_time_is_over_goes_on(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    launcher = Slurm(HERE, jobs=1)
    [job] = _submit(launcher._executor(tmp_path), works(tmp_path, long=(samples.go_on, begun)))
    samples.wait_for(begun)
    os.kill(int(begun.read_text(encoding="utf-8")), signal.SIGUSR1)  # as SLURM does 90 s before the end
    assert job.result().error is None


def test_what_a_job_asks_for() -> None:
    config = SlurmConfig(
        partition="gpu", account="lab", qos="long", constraint="a100", minutes=30, cpus=8, memory=32, gpus=1,
        setup=["module load cuda"],
    )  # fmt: skip
    assert _parameters(config) == {
        "name": "sercl",
        "timeout_min": 30,
        "cpus_per_task": 8,
        "gpus_per_node": 1,
        "mem_gb": 32,
        "stderr_to_stdout": True,
        "slurm_partition": "gpu",
        "slurm_account": "lab",
        "slurm_qos": "long",
        "slurm_constraint": "a100",
        "slurm_setup": ["module load cuda"],
    }
    assert set(_parameters(SlurmConfig())) == {"name", "timeout_min", "cpus_per_task", "stderr_to_stdout"}


FAKE = """#!/bin/sh
cat "$1" > {copy}
echo Submitted batch job 12345
"""


def test_slurm_is_asked_for_an_array_of_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools, copy = tmp_path / "bin", tmp_path / "sbatch.sh"
    tools.mkdir()
    for name, text in {
        "srun": "#!/bin/sh\n",
        "scancel": "#!/bin/sh\n",
        "sbatch": FAKE.format(copy=copy),
    }.items():
        (tools / name).write_text(text, encoding="utf-8")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("submitit.SlurmJob.done", lambda job: True)
    monkeypatch.setattr("submitit.SlurmJob.results", lambda job: ["an outcome"])
    launcher = Slurm(SlurmConfig(partition="gpu", gpus=2, memory=16, constraint="a100"), jobs=0)
    assert list(launcher.run(works(tmp_path, a=samples.fail, b=samples.fail))) == ["an outcome"] * 2
    asked = copy.read_text(encoding="utf-8")
    wanted = ("partition=gpu", "gpus-per-node=2", "mem=16GB", "constraint=a100", "time=240", "array=0-1%2")
    wanted += ("signal=USR1@90",)
    assert [line for line in wanted if f"#SBATCH --{line}\n" not in asked] == []


def test_no_slurm_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SerclError, match=r"the launcher slurm: .* Run it where `sbatch`"):
        list(Slurm(SlurmConfig(), jobs=0).run(works(tmp_path, a=samples.fail)))


def test_nothing_to_do(tmp_path: Path) -> None:
    assert list(Slurm(SlurmConfig(), jobs=0).run([])) == []


def test_submitit_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'sercl\[slurm\]'"):
        get_launcher(LaunchConfig(launcher="slurm"))
