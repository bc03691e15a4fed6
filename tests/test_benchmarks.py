import importlib.util
import json
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
    assert all((FOLDER / benchmark.script).is_file() for benchmark in run.BENCHMARKS)
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
    assert called[-1] == [str(FOLDER / "folds.py"), "--out", "here/emodb-frozen", "--", *fit]


def test_a_failed_benchmark_is_seen(run, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda command, check: subprocess.CompletedProcess(command, 3))
    assert run.main([]) == 1


@pytest.fixture
def folds():
    """benchmarks/folds.py as a module."""
    spec = importlib.util.spec_from_file_location("benchmarks_folds", FOLDER / "folds.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_diarizer_is_trained_on_every_fold_once(folds, monkeypatch, tmp_path, capsys):
    commands = []

    def train(command, check, stdout):
        commands.append(command[3:])
        folder = Path(command[command.index("--out") + 1])
        folder.mkdir(parents=True)
        stage = {"score": 0.2, "epoch": 4, "epochs": 7}
        systems = [{"scores": {"eder": {"value": 0.25}}}]
        content = {"systems": systems, "stages": [stage], "seconds": 12.3}
        (folder / "results.json").write_text(json.dumps(content))

    monkeypatch.setattr(subprocess, "run", train)
    words = ["--command", "diarize fit", "--folds", "2", "--out", str(tmp_path), "--", "--data", "EmoDB"]
    monkeypatch.setattr(sys, "argv", ["folds.py", *words])
    folds.main()
    assert commands[1][:6] == ["diarize", "fit", "--data", "EmoDB", "--data.folds.index", "1"]
    output = capsys.readouterr().out
    assert all(part in output for part in ("25.0", "20.0", "sercl diarize evaluate"))
    folds.main()
    assert len(commands) == 2
