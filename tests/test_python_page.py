"""Every block of docs/python.md runs, from top to bottom, in a folder with what the page presupposes."""

import re
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from sercl import read_results
from sercl.cli.main import main
from sercl.testing.corpora import fake_corpus
from sercl.testing.encoders import tiny_encoder
from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study

PAGE = Path(__file__).resolve().parents[1] / "docs" / "python.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


SCORE = ("score", "value", "low", "high", "unit", "count", "n")


def prepare(folder: Path) -> str:
    """Make `emodb`, `talks`, `runs/emodb`, `study` and `study-lora`; return the encoder for whisper-base."""
    root = fake_corpus("EmoDB", folder / "emodb", speakers=10, per_emotion=2)
    encoder = str(tiny_encoder("whisper", folder / "encoder"))
    grid = Grid(CORPORA, {"whisper-base": ENCODERS["whisper-base"]}, ("none",), ("monolingual", "zero-shot"))
    fake_study(folder / "study", grid)
    fake_study(folder / "study-lora", replace(grid, adapters=("none", "lora"), seeds=(4,)))
    words = ["diarize", "fit", "--data", "EmoDB", "--data.root", str(root), "--data.clips.voice", "none"]
    words += ["--data.clips.min_piece", "0.05", "--model.encoder", encoder, "--model.whisper_form", "short"]
    words += ["--trainer.max_epochs", "1", "--trainer.accelerator", "cpu", "--out", str(folder / "talks")]
    assert main(words) == 0
    words = ["fit", "--data", "EmoDB", "--data.root", str(root), "--data.folds.index", "all"]
    words += ["--data.folds.count", "2", "--model.encoder", encoder, "--model.whisper_form", "short"]
    words += ["--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"]
    assert main([*words, "--out", str(folder / "runs" / "emodb")]) == 0
    return encoder


@pytest.mark.slow
def test_every_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    matplotlib.use("Agg")
    encoder = prepare(tmp_path)
    names: dict[str, object] = {}
    with chdir(tmp_path):
        for number, block in enumerate(BLOCKS, 1):
            code = block.replace('"whisper-base"', repr(encoder))
            exec(compile(code, f"docs/python.md, block {number}", "exec"), names)
        check_columns(
            {"run": names["results"], "study": names["study"], "diarization": read_results("talks")}
        )
    assert (tmp_path / "emodb.png").stat().st_size > 5000


def check_columns(read: dict[str, Any]) -> None:
    """The table of columns before and after those of every score is true."""
    for kind, results in read.items():
        (cell,) = re.findall(
            rf"^\| {kind} \| (`.*) \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE
        )
        before, after = (re.findall("`([a-z_]+)`", part) for part in (*cell.split("after it"), "")[:2])
        assert results.kind == kind
        assert list(results.scores) == ["folder", *before, *SCORE, *after]


def test_the_page_names_every_public_function() -> None:
    import sercl

    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in sercl.__all__ if name != "__version__" and f"`sercl.{name}(" not in page] == []
    assert len(BLOCKS) > 10
