"""What docs/scaling.md says of launchers and schedulers, as far as one machine allows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sercl.launchers.ranks import free_port
from tests.cli.test_processes import HALVES, NO_DROPOUT, TWO_BATCHES, assert_same_training, in_one

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"^```(?:sh|bash)\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
[SBATCH] = [script for script in SCRIPTS if "#SBATCH" in script]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.split("\n", 1)[0][:30])
def test_every_script_is_valid(script):
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


TOOLS = {
    "srun": '#!/bin/sh\nexec "$@"\n',
    "scontrol": '#!/bin/sh\necho "$@" >> asked\n',
    # Stops at its first call, as at the end of a job, and is done at its second.
    "sercl": "#!/bin/sh\n"
    'echo "$@" >> called\n'
    "if [ -e runs/wavlm/config.yaml ]; then exit 0; fi\n"
    "mkdir -p runs/wavlm; touch runs/wavlm/config.yaml; exit 75\n",
}


def test_a_job_asks_to_be_put_into_the_queue_again(tmp_path):
    for name, text in TOOLS.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(text, encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "SLURM_JOB_ID": "7"}

    def job():
        return subprocess.run(
            ["bash"], input=SBATCH, text=True, cwd=tmp_path, env=environment, check=False
        ).returncode

    assert job() == 75
    assert (tmp_path / "asked").read_text(encoding="utf-8") == "requeue 7\n"
    assert job() == 0
    assert (tmp_path / "asked").read_text(encoding="utf-8").count("\n") == 1
    first, second = (tmp_path / "called").read_text(encoding="utf-8").splitlines()
    assert "--resume" not in first
    assert second == first.replace("--out runs/wavlm", "--out runs/wavlm --resume")
    assert "--trainer.devices 4 --trainer.strategy ddp" in first


def test_the_tables_are_those_of_the_script():
    printed = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "scaling.py")], capture_output=True, text=True, check=True
    ).stdout
    assert printed in PAGE


@pytest.mark.slow
def test_torchrun_on_two_machines_trains_the_same(fit_words, tmp_path):
    words = [*fit_words, *TWO_BATCHES, "--data.loader.batch_seconds", "0", "--trainer.max_epochs", "1"]
    words += ["--model.adapter", "lora", *NO_DROPOUT]
    in_one([*words, *HALVES], tmp_path / "one")
    words += ["--trainer.num_nodes", "2", "--trainer.devices", "1", "--trainer.strategy", "ddp"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    torchrun += ["--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(
            [*torchrun, "--node-rank", str(number), "-m", "sercl", *words, "--out", "two"],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for number in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=480)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert_same_training(tmp_path / "one", tmp_path / "two")
