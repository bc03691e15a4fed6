import json
from functools import partial
from pathlib import Path

import pytest

from sercl.cli.compare import build_parser
from sercl.cli.help import unknown_flags
from sercl.cli.main import main
from sercl.cli.pages import COMPARE as PAGE
from tests.studies.runs import fake_run


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    return (
        fake_run(tmp_path / "a", 0.5, {"model": {"adapter": "none"}}),
        fake_run(tmp_path / "b", 0.9, {"model": {"adapter": "lora"}}, seed=1),
    )


def _run(*words: object) -> int:
    return main(["compare", *map(str, words)])


def test_it_prints_what_changed_and_what_came_of_it(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(*runs) == 0
    text = capsys.readouterr().out
    assert "model.adapter" in text
    assert "Permutation test" in text


def test_json_and_nothing_else(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(*runs, "--json") == 0
    printed = capsys.readouterr()
    content = json.loads(printed.out)
    assert content["changes"] == {"model.adapter": ["none", "lora"]}
    assert printed.err == ""


def test_real_runs_of_fit_and_test(
    fit_words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, tested = (tmp_path / name for name in ("frozen", "lora", "tested"))
    assert main([*fit_words, "--out", str(first)]) == 0
    assert main([*fit_words, "--model.adapter", "lora", "--out", str(second)]) == 0
    assert main(["test", "--ckpt", str(first / "best.ckpt"), "--out", str(tested)]) == 0
    capsys.readouterr()
    assert _run(first, second, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["changes"] == {"model.adapter": ["none", "lora"]}
    assert content["results"][0]["paired"]["utterances"] > 0
    assert _run(first, tested, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["changes"] == {}
    assert content["results"][0]["paired"]["differ"] == 0


def test_wrong_use_is_one_message(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [
        ((runs[0],), 2, "missing: RUN_B"),
        ((runs[0], tmp_path / "none"), 2, "no such folder"),
        ((runs[0], tmp_path), 2, "holds neither predictions.csv nor study.json"),
        ((*runs, "--jsn"), 2, "--json"),
    ]
    for words, code, message in cases:
        assert _run(*words) == code
        error = capsys.readouterr().err
        assert message in error
        assert "Traceback" not in error
    diarizer = tmp_path / "diarizer"
    diarizer.mkdir()
    (diarizer / "results.json").write_text(json.dumps({"systems": [], "data": {"name": "x"}}))
    assert _run(diarizer, diarizer) == 2
    error = capsys.readouterr().err
    assert "a run of `sercl diarize`, which has no predictions of utterances to compare" in error
    assert "sercl diarize evaluate CHECKPOINT --data" in " ".join(error.split())
    (runs[1] / "predictions.csv").write_text("id\n")
    assert _run(*runs) == 1
    assert "lacks the columns utterance, speaker, truth, predicted" in capsys.readouterr().err


def test_the_page_tells_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("--help") == 0
    page = capsys.readouterr().out
    assert all(flag in page for flag in PAGE.flags)
    assert unknown_flags([flag for flag in PAGE.flags if flag != "--help"], partial(_parse)) == []


def _parse(words: list[str]) -> object:
    return build_parser().parse_args(["a", "b", *words])
