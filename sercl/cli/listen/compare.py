"""`sercl listen compare`: score listeners, and compare them with models on the same items."""

import shlex
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sercl.cli.console import stage_progress, stdout
from sercl.cli.help import JSON_HELP
from sercl.cli.pages import LISTEN_COMPARE
from sercl.errors import UsageError
from sercl.files import at_home
from sercl.json_text import json_text

if TYPE_CHECKING:
    from sercl.cli.parser import SerclParser
    from sercl.listening.comparison.compare import Comparison


def main() -> int:
    """Run `sercl listen compare` with the arguments of the process."""
    options = build_parser().parse_args(sys.argv[1:])
    _check(options)
    from sercl.listening.comparison.compare import CompareOptions, compare
    from sercl.listening.comparison.marks import read_labellers, read_reference
    from sercl.listening.comparison.models import read_models
    from sercl.listening.ratings import read_table
    from sercl.reports.listening.formats import terminal_report, write_report

    how = CompareOptions(**{field.name: options[field.name] for field in fields(CompareOptions)})
    table = read_table(Path(options.ratings))
    models = read_models([Path(folder) for folder in options.predictions])
    reference = read_reference([Path(path) for path in options.reference])
    labellers = read_labellers([Path(path) for path in options.hypothesis], reference)
    with stage_progress() as on_progress:
        found = compare(table, models, how, reference, labellers, on_progress)
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


_SEGMENTS = {
    "reference": "Known boundaries of marked recordings: protocol.json of the test, or segment files.",
    "hypothesis": "Models of marked recordings: a segment file, or a folder of them, of each.",
}


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
    for name, text in _SEGMENTS.items():
        parser.add_argument(f"--{name}", nargs="+", default=[], help=text)
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
    for name in _SEGMENTS:
        for path in options[name]:
            if not at_home(path).exists():
                raise UsageError(f"--{name} {path}: no such file or folder.")


def _of_claims(found: "Comparison") -> list[Any]:
    claims: list[Any] = found.to_dict()["claims"]
    return claims


def _facts(found: "Comparison") -> list[tuple[str, str]]:
    chosen = [row for row in found.groups if not row.language and not row.dialect]
    marked = [row for row in found.segments.groups if not row.language] if found.segments else []
    people = sum(row.listeners for row in chosen or marked)
    facts = [
        (found.options.groups or "Listeners are", ", ".join(row.group for row in chosen or marked)),
        ("Listeners", str(people) if people else "not known singly"),
    ]
    if chosen:
        facts.append(("Answers", f"{sum(row.answers for row in chosen):,}"))
        facts.append(("Models", str(len({row.model for row in found.models}))))
        facts.append(("Margin of equivalence", f"{100 * found.options.margin:g} points"))
    if found.segments:
        facts.append(("Marked recordings", f"{sum(row.marked for row in marked):,}"))
        facts.append(("Models that mark", str(len({row.group for row in found.segments.models}))))
        facts.append(("Margin of equivalence, EDER", f"{100 * found.options.eder_margin:g} points"))
        facts.append(("Tolerance", f"{found.options.tolerance:g} s"))
    return [*facts, ("Bootstrap samples", f"{found.options.resamples:,}")]


def _command() -> list[str]:
    return [*sys.argv[0].split(), *sys.argv[1:]]
