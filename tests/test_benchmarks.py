import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def run(monkeypatch):
    """benchmarks/run.py as a module."""
    for name in ("EMODB", "RAVDESS", "ENCODER"):
        monkeypatch.delenv(f"SERCL_BENCH_{name}", raising=False)
    spec = importlib.util.spec_from_file_location("benchmarks_run", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def called(monkeypatch):
    """The command lines that would have been run; each ends with code 0."""
    commands = []

    def record(command, check):
        commands.append(command[1:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", record)
    return commands


def test_every_script_is_there_and_described(run):
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    scripts = [benchmark.script for benchmark in run.BENCHMARKS if benchmark.script != "sercl fit"]
    assert all((FOLDER / script).is_file() for script in scripts)
    assert all(f"`{path.name}`" in page or path.name == "run.py" for path in FOLDER.glob("*.py"))


def test_without_real_data_only_what_needs_none_is_run(run, called, capsys):
    assert run.main([]) == 0
    assert called == [[str(FOLDER / item.script)] for item in run.BENCHMARKS if not item.needs]
    assert [str(FOLDER / "startup.py")] in called
    assert "skipped: give --emodb (folder of EMO-DB) and --encoder" in capsys.readouterr().out


def test_places_come_from_options_and_environment(run, called, monkeypatch):
    monkeypatch.setenv("SERCL_BENCH_EMODB", "corpora/emodb")
    assert run.main(["--encoder", "whisper-base", "--out", "here"]) == 0
    assert len(called) == sum("ravdess" not in item.needs for item in run.BENCHMARKS)
    assert [str(FOLDER / "long_recording.py"), "--encoder", "whisper-base"] in called
    fit = ["--data", "EmoDB", "--data.root", "corpora/emodb", "--model.encoder", "whisper-base"]
    assert called[-1] == [
        "-m",
        "sercl",
        "fit",
        *fit,
        "--data.folds.index",
        "all",
        "--out",
        "here/emodb-frozen",
    ]


def test_a_failed_benchmark_is_seen(run, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda command, check: subprocess.CompletedProcess(command, 3))
    assert run.main([]) == 1
