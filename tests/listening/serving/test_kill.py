"""The server is killed while listeners answer: benchmarks/listening_server.py, in small."""

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the extra `listen` is not installed")
SCRIPT = Path(__file__).resolve().parents[3] / "benchmarks" / "listening_server.py"


@pytest.fixture
def script(monkeypatch):
    spec = importlib.util.spec_from_file_location("listening_server", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_every_acknowledged_answer_survives_kills_exactly_once(script, capsys):
    assert script.main(["--listeners", "6", "--items", "8", "--pace", "0.4", "--kills", "3"]) == 0
    printed = capsys.readouterr().out
    assert "6 finished" in printed
    assert "54 answers acknowledged, 54 stored, 0 lost, 0 doubled" in printed
