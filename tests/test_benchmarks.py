import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sercl.corpora.base import Utterance

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


@pytest.fixture
def crossing(monkeypatch):
    """benchmarks/crossing.py as a module."""
    spec = importlib.util.spec_from_file_location("benchmarks_crossing", FOLDER / "crossing.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def shifted(crossing):
    """Two corpora of six speakers with four clips per class, of which one is shifted, and their vectors."""
    utterances = [
        Utterance(f"{s} {k}", Path("x"), crossing.CLASSES[k % 4], "x", speaker=f"s{s}", gender="fm"[s % 2])
        for s in range(12)
        for k in range(16)
    ]
    clips = crossing.Clips(np.repeat(crossing.CORPORA, 96), utterances)
    noise = np.random.default_rng(0).standard_normal((192, 20))
    vectors = 3 * np.eye(4, 20)[clips.labels] + noise * 0.3 + 9 * (clips.corpora == "RAVDESS")[:, None]
    return clips, vectors


def test_crossing_sees_a_shift_and_what_removes_it(crossing, shifted):
    clips, vectors = shifted
    bench, first = crossing.Bench(clips, ()), {}
    blind, standardised = (
        bench.evaluate(crossing.Row("x", vectors, target=target), first) for target in ("", "corpus")
    )
    one = blind["directions"]["EmoDB to RAVDESS"]
    assert one["uar"] < 60 < 95 < one["validation"]
    assert blind["within"]["EmoDB"] > 95
    other = standardised["directions"]["EmoDB to RAVDESS"]
    assert other["uar"] > 95
    assert other["validation"] is None
    assert other["difference"][0] == pytest.approx(other["uar"] - one["uar"])
    assert other["difference"][1] > 0


def test_crossing_erases_what_a_linear_classifier_can_use(crossing, shifted):
    clips, vectors = shifted
    erased = crossing.erased(vectors, np.arange(192), clips.corpora)
    means = [erased[clips.corpora == corpus].mean(axis=0) for corpus in crossing.CORPORA]
    np.testing.assert_allclose(*means, atol=1e-9)


@pytest.mark.parametrize("name", ["silence", "room", "telephone", "mixture 1"])
def test_crossing_changes_depend_on_the_clip_alone(crossing, name):
    audio = [np.sin(np.arange(8000) / 9), np.cos(np.arange(6000) / 7)]
    clips = crossing.Clips(np.array(["EmoDB"] * 2), [])
    clips.__dict__["audio"] = audio
    both = clips.changed(name)
    clips.__dict__["audio"] = audio[:1]
    np.testing.assert_array_equal(clips.changed(name)[0], both[0])
    assert all(np.isfinite(one).all() for one in both)
