"""`sercl listen compare`: score listeners, and compare them with models on the same items."""

import shlex
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sercl.cli.console import stdout
from sercl.cli.help import JSON_HELP
from sercl.cli.pages import LISTEN_COMPARE
from sercl.errors import UsageError
from sercl.json_text import json_text

if TYPE_CHECKING:
    from sercl.cli.parser import SerclParser
    from sercl.listening.comparison.compare import Comparison


def main() -> int:
    """Run `sercl listen compare` with the arguments of the process."""
    options = build_parser().parse_args(sys.argv[1:])
    _check(options)
    from sercl.listening.comparison.compare import CompareOptions, compare
    from sercl.listening.comparison.models import read_models
    from sercl.listening.ratings import read_table
    from sercl.reports.listening.formats import terminal_report, write_report

    how = CompareOptions(**{field.name: options[field.name] for field in fields(CompareOptions)})
    table = read_table(Path(options.ratings))
    models = read_models([Path(folder) for folder in options.predictions])
    found = compare(table, models, how)
    if options.json:
        print(json_text(_of_claims(found) if options.claims else found.to_dict(), indent=2))
    else:
        stdout.print(terminal_report(found, options.claims))
    if options.out is not None:
        title = f"{Path(options.ratings).stem}: listeners and models"
        files = write_report(found, Path(options.out), title, _facts(found), shlex.join(_command()))
        if not options.json:
            stdout.print(f"Report: {files[0]} (beside it: {', '.join(file.name for file in files[1:])})")
    return 0


def build_parser() -> "SerclParser":
    """Return the parser of the command."""
    from sercl.cli.parser import SerclParser
    from sercl.listening.comparison.compare import CompareOptions

    parser = SerclParser(prog="sercl listen compare", description=LISTEN_COMPARE.summary)
    parser.add_argument("ratings")
    parser.add_argument(
        "--predictions",
        nargs="+",
        default=[],
        help="Folders of runs and studies, tested on some of the items.",
    )
    parser.add_class_arguments(CompareOptions)
    parser.add_argument("--claims", action="store_true", help="Print only the claims of the study.")
    parser.add_argument("--out", default=None, help="Folder for a report: HTML, Markdown, LaTeX, CSV, JSON.")
    parser.add_argument("--json", action="store_true", help=JSON_HELP)
    return parser


def _check(options: Any) -> None:
    """Check the files before pandas and torch are imported."""
    if not Path(options.ratings).is_file():
        raise UsageError(f"{options.ratings}: no such file. `sercl listen import` writes a table of ratings.")
    for folder in options.predictions:
        if not Path(folder).is_dir():
            raise UsageError(f"{folder}: no such folder. Give the folder of a run or a study.")


def _of_claims(found: "Comparison") -> list[Any]:
    claims: list[Any] = found.to_dict()["claims"]
    return claims


def _facts(found: "Comparison") -> list[tuple[str, str]]:
    whole = [row for row in found.groups if not row.language and not row.dialect]
    people = sum(row.listeners for row in whole)
    return [
        (found.options.groups or "Listeners are", ", ".join(row.group for row in whole)),
        ("Listeners", str(people) if people else "not known singly"),
        ("Answers", f"{sum(row.answers for row in whole):,}"),
        ("Models", str(len({row.model for row in found.models}))),
        ("Margin of equivalence", f"{100 * found.options.margin:g} points"),
        ("Bootstrap samples", f"{found.options.resamples:,}"),
    ]


def _command() -> list[str]:
    return [*sys.argv[0].split(), *sys.argv[1:]]
