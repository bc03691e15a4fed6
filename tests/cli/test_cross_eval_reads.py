"""`study.json` and each `cell.json` are read once in a call."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from sercl.cli.main import main

NAMES = ("study.json", "cell.json")
_opened: list[Counter[str]] = []


def _note(event: str, arguments: tuple) -> None:
    if event == "open" and _opened and isinstance(arguments[0], str) and arguments[1] in ("r", "rb"):
        path = Path(arguments[0])
        if path.name in NAMES:
            _opened[-1][str(path)] += 1


@pytest.fixture(scope="module", autouse=True)
def _hook() -> None:
    sys.addaudithook(_note)  # stays for the process, and does nothing outside `reads`


@contextmanager
def reads() -> Iterator[Counter[str]]:
    """Count how often each file is opened for reading in this process."""
    _opened.append(Counter())
    try:
        yield _opened[-1]
    finally:
        _opened.pop()


def test_files_of_a_study_are_read_once_in_a_call(crossed, tmp_path, capsys):
    content = {
        "study": {**crossed, "seeds": [1], "folds": [0]},
        "probe": {"preset": "mlp", "max_epochs": 2},
        "trainer": {"accelerator": "cpu"},
        "features": {"dir": str(tmp_path / "store")},
    }
    file, out = tmp_path / "in.yaml", tmp_path / "out"
    file.write_text(yaml.safe_dump(content))
    words = ["-c", str(file), "--out", str(out)]
    assert read_by(words) == {"study.json": 0, "cell.json": 1}
    assert read_by(words) == {"study.json": 1, "cell.json": 1}, "nothing to do"
    assert read_by([*words, "--dry-run"]) == {"study.json": 0, "cell.json": 1}
    assert read_by(["report", str(out)]) == {"study.json": 1, "cell.json": 0}
    min(out.glob("cells/*/cell.json")).unlink()
    assert read_by(words) == {"study.json": 1, "cell.json": 1}, "continued"
    assert "Report:" in capsys.readouterr().out


def read_by(words: list[str]) -> dict[str, int]:
    """Return file name -> how often the file of a call that is read most often is read."""
    with reads() as found:
        assert main(["cross-eval", *words]) == 0
    return {name: max((n for path, n in found.items() if path.endswith(name)), default=0) for name in NAMES}
