"""The report of a study in every format: which files each writes into the study's folder."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from sercl import __version__
from sercl.errors import UnknownNameError
from sercl.files import write_text
from sercl.reports.cross_eval.figures import write_figures
from sercl.reports.cross_eval.html import html_report
from sercl.reports.cross_eval.latex import latex_report
from sercl.reports.cross_eval.markdown import markdown_report
from sercl.reports.cross_eval.spreadsheets import comparisons_csv, scores_csv
from sercl.studies.cross_eval.analysis import Analysis
from sercl.studies.cross_eval.study_file import NAME as STUDY

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


PAGE = "report.html"
"""Is written last: where it is of the study as it is, so are the other files that were asked for with it."""

_STAMP = re.compile(r'<meta name="sercl-study" content="([0-9a-f]*)">')
_HEAD_CHARACTERS = 2_000
"""The stamp is among the first of them."""


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
    stamp = _stamp(folder)  # of what is there before: a study that changes meanwhile is newer
    files = {name: _write(analysis, folder, name, stamp) for name in sorted(chosen, key="html".__eq__)}
    return [file for name in chosen for file in files[name]]


def _write(analysis: Analysis, folder: Path, name: str, stamp: str) -> list[Path]:
    if name in PICTURES:
        return write_figures(analysis, folder, name)
    for file, write in FORMATS[name].items():
        text = write(analysis, folder)
        write_text(folder / file, _stamped(text, stamp) if file == PAGE else text)
    return [folder / file for file in FORMATS[name]]


def report_is_current(folder: Path) -> bool:
    """Return whether a study's page is there and was made from its `study.json` as it is now."""
    page = folder / PAGE
    if not page.is_file():
        return False
    with page.open(encoding="utf-8", errors="replace") as file:
        found = _STAMP.search(file.read(_HEAD_CHARACTERS))
    return found is not None and found[1] == _stamp(folder)


def _stamp(folder: Path) -> str:
    """Return a digest of the study's file, which is written after its predictions, and of sercl's version."""
    path = folder / STUDY
    content = path.read_bytes() if path.is_file() else b""
    return hashlib.sha256(__version__.encode() + content).hexdigest()[:32]


def _stamped(text: str, stamp: str) -> str:
    return text.replace("<head>", f'<head>\n<meta name="sercl-study" content="{stamp}">', 1)


def check_formats(formats: Iterable[str]) -> list[str]:
    """Return the formats, each once; raises `UnknownNameError` for one that there is not."""
    chosen = list(dict.fromkeys(formats))
    for name in chosen:
        if name not in ALL:
            raise UnknownNameError("report format", name, ALL)
    return chosen
