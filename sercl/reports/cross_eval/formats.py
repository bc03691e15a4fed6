"""The report of a study in every format: which files each writes into the study's folder."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from sercl.errors import UnknownNameError
from sercl.files import write_text
from sercl.reports.cross_eval.figures import write_figures
from sercl.reports.cross_eval.html import html_report
from sercl.reports.cross_eval.latex import latex_report
from sercl.reports.cross_eval.markdown import markdown_report
from sercl.reports.cross_eval.spreadsheets import comparisons_csv, scores_csv
from sercl.studies.cross_eval.analysis import Analysis

Write = Callable[[Analysis, Path], str]
"""(study, folder that it lies in) -> text of the file."""

FORMATS: Mapping[str, Mapping[str, Write]] = {
    "html": {"report.html": html_report},
    "md": {"report.md": lambda analysis, _: markdown_report(analysis)},
    "tex": {"report.tex": lambda analysis, _: latex_report(analysis)},
    "csv": {
        "scores.csv": lambda analysis, _: scores_csv(analysis),
        "comparisons.csv": lambda analysis, _: comparisons_csv(analysis),
    },
}
"""Format of text -> file name -> what makes it."""

PICTURES = ("svg", "pdf")
"""Formats of the figures, which go into a folder `figures`."""

ALL = (*FORMATS, *PICTURES)


def write_report(analysis: Analysis, folder: Path, formats: Iterable[str] = ALL) -> list[Path]:
    """Write a study's report and return the files.

    Args:
        analysis: The study.
        folder: Its folder, where the files go, too.
        formats: Names of `ALL`.

    Raises:
        UnknownNameError: For another format.
        OutputError: Where a file cannot be written.
    """
    chosen = check_formats(formats)
    files = []
    for name in chosen:
        if name in PICTURES:
            files += write_figures(analysis, folder, name)
            continue
        for file, write in FORMATS[name].items():
            write_text(folder / file, write(analysis, folder))
            files.append(folder / file)
    return files


def check_formats(formats: Iterable[str]) -> list[str]:
    """Return the formats, each once; raises `UnknownNameError` for one that there is not."""
    chosen = list(dict.fromkeys(formats))
    for name in chosen:
        if name not in ALL:
            raise UnknownNameError("report format", name, ALL)
    return chosen
