"""`sercl cross-eval report`: rewrite the report of a study from the files in its folder."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sercl.cli.console import from_here, stdout
from sercl.cli.help import GROUP_HELP, names_of
from sercl.cli.pages import CROSS_EVAL_REPORT
from sercl.errors import UsageError

if TYPE_CHECKING:
    from sercl.cli.parser import SerclParser
    from sercl.studies.cross_eval.cells import Study


def main() -> int:
    """Run `sercl cross-eval report` with the arguments of the process."""
    options = build_parser().parse_args(sys.argv[1:])
    report(Path(options.folder), list(options.format), options.quiet, group_by=names_of(options.group_by))
    return 0


def build_parser() -> "SerclParser":
    """Return the parser of the command."""
    from sercl.cli.parser import SerclParser
    from sercl.reports.cross_eval.formats import ALL

    parser = SerclParser(prog="sercl cross-eval report", description=CROSS_EVAL_REPORT.summary)
    parser.add_argument("folder")
    parser.add_argument(
        "--format",
        nargs="+",
        default=list(ALL),
        help=f"Formats, separated by spaces: {', '.join(ALL)}; svg and pdf are figures (default: all).",
    )
    parser.add_argument("--group_by", nargs="+", default=[], help=GROUP_HELP)
    parser.add_argument("--quiet", action="store_true", help="Print only the names of the files written.")
    return parser


def report(
    folder: Path,
    formats: list[str],
    quiet: bool = False,
    study: "Study | None" = None,
    group_by: Sequence[str] = (),
) -> None:
    """Write the report of a study and print a summary.

    Args:
        folder: The study's folder.
        formats: Names of `sercl.reports.cross_eval.formats.ALL`.
        quiet: Print only the names of the files.
        study: The study as stored in the folder; None to read it.
        group_by: Columns by which groups of utterances are scored.

    Raises:
        UsageError: If there is no such folder, or for an unknown format.
        ResultsError: If its files are missing or broken.
        OutputError: If a file cannot be written.
    """
    from sercl.counting import count
    from sercl.reports.cross_eval.formats import check_formats, terminal_report, write_report
    from sercl.studies.cross_eval.analysis.analysis import analyse
    from sercl.studies.cross_eval.study_file import STUDY

    chosen = check_formats(formats)  # checked before the scores are computed, which may take a while
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder. Give the --out of a `sercl cross-eval`.")
    analysis = analyse(folder, study, group_by)
    files = write_report(analysis, folder, chosen)
    if quiet:
        for file in files:
            stdout.print(str(file), soft_wrap=True)
        return
    stdout.print(terminal_report(analysis))
    if newer := _newer_cells(analysis.study, folder):
        stdout.print(
            f"Warning: {count(newer, 'cell')} finished after {STUDY} was written and missing from this "
            f"report. Run the command of the study again to include them.",
            style="yellow",
        )
    page, *others = files
    also = f" (beside it: {', '.join(str(file.relative_to(folder)) for file in others)})" if others else ""
    stdout.print(f"Report: {from_here(page)}{also}", soft_wrap=True)


def _newer_cells(study: "Study", folder: Path) -> int:
    """Return how many cells have results that are not in a study's file."""
    from sercl.studies.cross_eval.run.results import read_result

    waiting = (record.address for record in study.records if record.status != "done")
    return sum(read_result(folder, address) is not None for address in waiting)
