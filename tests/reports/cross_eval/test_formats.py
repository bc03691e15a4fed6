from pathlib import Path

import pytest

from sercl.errors import UnknownNameError
from sercl.reports.cross_eval.formats import FORMATS, write_report
from sercl.studies.cross_eval.analysis import Analysis


def test_every_format_is_written(bare: Analysis, tmp_path: Path) -> None:
    files = write_report(bare, tmp_path)
    assert [file.name for file in files] == [
        "report.html", "report.md", "report.tex", "scores.csv", "comparisons.csv",
    ]  # fmt: skip
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted(file.name for file in files)
    assert all(file.stat().st_size > 0 for file in files)


def test_only_what_is_asked_for(bare: Analysis, tmp_path: Path) -> None:
    assert [file.name for file in write_report(bare, tmp_path, ["md", "md"])] == ["report.md"]
    with pytest.raises(UnknownNameError, match="unknown report format 'htm'"):
        write_report(bare, tmp_path, ["tex", "htm"])
    assert [item.name for item in tmp_path.iterdir()] == ["report.md"]
    assert set(FORMATS) == {"html", "md", "tex", "csv"}
