from pathlib import Path

import pytest

from sercl.errors import UnknownNameError
from sercl.reports.cross_eval.formats import ALL, write_report
from sercl.studies.cross_eval.analysis.analysis import Analysis


def test_every_format_is_written(bare: Analysis, tmp_path: Path) -> None:
    files = write_report(bare, tmp_path)
    assert [file.name for file in files] == [
        "report.html", "report.md", "report.tex", "scores.csv", "comparisons.csv",
        "matrices.svg", "matrices.pdf",
    ]  # fmt: skip
    found = [item for item in tmp_path.rglob("*") if item.is_file()]
    assert sorted(found) == sorted(files)
    assert all(file.stat().st_size > 0 for file in files)


def test_only_what_is_asked_for(bare: Analysis, tmp_path: Path) -> None:
    assert [file.name for file in write_report(bare, tmp_path, ["md", "md"])] == ["report.md"]
    with pytest.raises(UnknownNameError, match="unknown report format 'htm'"):
        write_report(bare, tmp_path, ["tex", "htm"])
    assert [item.name for item in tmp_path.iterdir()] == ["report.md"]
    assert ALL == ("html", "md", "tex", "csv", "svg", "pdf")


def test_the_figures_of_a_whole_study(wide: Analysis, tmp_path: Path) -> None:
    files = write_report(wide, tmp_path, ["svg", "pdf"])
    names = [f"figures/{name}" for name in ("matrices", "tests", "few-shot")]
    assert [str(file.relative_to(tmp_path)) for file in files] == [
        f"{name}.{suffix}" for suffix in ("svg", "pdf") for name in names
    ]
    text = (tmp_path / "figures" / "few-shot.svg").read_text()
    assert "labelled utterances per emotion" in text
    assert "target-only" in text
    assert all(file.read_bytes().startswith(b"%PDF") for file in files[3:])


def test_a_study_without_scores_has_no_figures(unfinished: Analysis, tmp_path: Path) -> None:
    assert write_report(unfinished, tmp_path, ["svg"]) == []
