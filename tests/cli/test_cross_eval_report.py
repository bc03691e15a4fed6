import json
from dataclasses import asdict
from pathlib import Path

import pytest

from sercl.cli.cross_eval_report import build_parser
from sercl.cli.failure import report as report_failure
from sercl.cli.help import unknown_flags
from sercl.cli.main import dispatch
from sercl.cli.pages import CROSS_EVAL_REPORT as PAGE
from sercl.files import write_text
from sercl.studies.cross_eval.run.results import FORMAT, RECORD, CellResult, cell_folder
from sercl.studies.cross_eval.study_file import PREDICTIONS
from sercl.testing.studies import CORPORA, ENCODERS, Grid, fake_study


def main(words):
    return dispatch(["cross-eval", "report", *words])


@pytest.fixture
def study(tmp_path: Path) -> Path:
    corpora = {name: CORPORA[name] for name in ("EmoDB", "RAVDESS")}
    encoders = {"whisper-base": ENCODERS["whisper-base"]}
    fake_study(
        tmp_path, Grid(corpora, encoders, ("none",), ("monolingual", "zero-shot"), folds=2, seeds=(1,))
    )
    return tmp_path


def test_it_writes_every_format_and_says_what_the_numbers_say(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.parent)
    assert main([str(study)]) == 0
    text = capsys.readouterr().out
    assert "within a corpus the UAR is" in text
    assert "Zero-shot" in text
    files = ("report.html", "report.md", "report.tex", "scores.csv", "comparisons.csv")
    assert text.count("Report:") == 1
    last = text.splitlines()[-1]
    assert last.startswith(
        f"Report: {study.name}/report.html (beside it: report.md, report.tex, scores.csv, "
    )
    assert last.endswith(", figures/matrices.pdf, figures/tests.pdf)")
    assert all((study / name).is_file() for name in files)


def test_it_writes_what_is_asked_for(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(study), "--format", "tex", "csv", "--quiet"]) == 0
    names = ("report.tex", "scores.csv", "comparisons.csv")
    assert capsys.readouterr().out == "".join(f"{study / name}\n" for name in names)
    assert not (study / "report.html").exists()


def test_cells_that_finished_after_the_study_was_collected_are_named(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpora = {name: CORPORA[name] for name in ("EmoDB", "RAVDESS")}
    grid = Grid(corpora, {"w": ENCODERS["whisper-base"]}, ("none",), ("monolingual",), folds=2, seeds=(1,))
    last = fake_study(study, grid, missing=1).records[-1]
    assert main([str(study), "--format", "md"]) == 0
    assert "Warning: 1 cell of" not in capsys.readouterr().out
    place = cell_folder(study, last.address)
    write_text(place / RECORD, json.dumps({"format": FORMAT, **asdict(CellResult("t", 0, 1, True, 1.0, 4))}))
    write_text(place / PREDICTIONS, "")
    assert main([str(study), "--format", "md"]) == 0
    assert "Warning: 1 cell finished after study.json was written" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["none"], 2, "none: no such folder. Give the --out of a `sercl cross-eval`."),
        (
            ["{study}", "--format", "docx"],
            2,
            "'docx'. Valid: html, md, tex, csv, svg, pdf.",
        ),
        ([], 2, "missing: FOLDER"),
        (["{study}", "--formt", "md"], 2, "Did you mean --format"),
    ],
)
def test_wrong_use_is_one_message(
    study: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str
) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - its message and code are what is tested
        main([word.format(study=study) for word in words])
    assert report_failure(caught.value) == code
    assert message in capsys.readouterr().err


def test_broken_files_are_one_message(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study / "predictions.parquet").write_bytes(b"PAR1")
    with pytest.raises(Exception) as caught:  # noqa: PT011
        main([str(study)])
    assert report_failure(caught.value) == 1
    assert "predictions.parquet: is not a valid Parquet file" in capsys.readouterr().err


def test_the_page_tells_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    page = capsys.readouterr().out
    assert all(flag in page for flag in PAGE.flags)
    flags = [flag for flag in PAGE.flags if flag != "--help"]
    assert unknown_flags(flags, lambda words: build_parser().parse_args(["a", *words])) == []
