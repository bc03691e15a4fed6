"""`sercl listen import`: results of a listening test -> a table of ratings or votes."""

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from rich.text import Text

from sercl.cli.console import stderr, stdout
from sercl.cli.help import JSON_HELP
from sercl.cli.pages import LISTEN_IMPORT
from sercl.cli.parser import SerclParser
from sercl.counting import count
from sercl.documents import read_yaml
from sercl.errors import DocumentError, RatingsError, UnknownNameError, UsageError
from sercl.files import check_replaceable, contains, write_text
from sercl.json_text import json_text
from sercl.listening.exclusion import ExclusionRules, Exclusions, apply_rules
from sercl.listening.importing.files import Imported, content_of, faults_text, import_files, in_shares
from sercl.listening.importing.result_file import ImportOptions
from sercl.listening.items import Items, read_items
from sercl.listening.ratings import check_file, write_table
from sercl.reports.listening.importing import exclusion_table, import_table
from sercl.studies.results.records import as_record

EXCLUSIONS = "exclusions.json"
"""Written beside the table if listeners are excluded by rules: `<table>.exclusions.json`."""


def main() -> int:
    """Run `sercl listen import` with the arguments of the process."""
    parser = build_parser()
    options = parser.instantiate(parser.parse_args(sys.argv[1:]))
    _check(options)

    rules = options.exclude if options.rules is None else _read_rules(Path(options.rules), options.exclude)
    if rules.given:
        check_replaceable(
            _exclusions_file(Path(options.out)), "a list of excluded listeners", _holds_exclusions
        )
    items = Items() if options["items"] is None else read_items(Path(options["items"]))
    reading = ImportOptions(**{field.name: options[field.name] for field in fields(ImportOptions)})
    found = in_shares(import_files([Path(file) for file in options.files], items, reading))
    if not len(found.table.frame) or (found.faults and options.on_error == "raise"):
        raise RatingsError(Path(options.files[0]), None, _refusal(found, faults_text(found.faults)))
    table, exclusions = found.table, None
    if rules.given:
        table, exclusions = apply_rules(found.table, rules)
    out = Path(options.out)
    write_table(table, out)
    if exclusions is not None:
        _write_exclusions(exclusions, out)
    _show(found, exclusions, out, options.json)
    return 0


def build_parser() -> SerclParser:
    """Return the parser of the command."""
    parser = SerclParser(prog="sercl listen import", description=LISTEN_IMPORT.summary)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--out", default="ratings.parquet", help="Table to write.")
    parser.add_argument(
        "--items", default=None, help="protocol.json, or a table of the items with their emotions."
    )
    parser.add_class_arguments(ImportOptions)
    parser.add_class_arguments(ExclusionRules, "exclude")
    parser.add_argument("--rules", default=None, help="YAML file of these rules, such as `failed_checks: 1`.")
    parser.add_argument(
        "--on_error",
        choices=("raise", "skip"),
        default="raise",
        help="What to do about rows that cannot be used: raise, or skip and list them.",
    )
    parser.add_argument("--json", action="store_true", help=JSON_HELP)
    return parser


def _read_rules(path: Path, given: ExclusionRules) -> ExclusionRules:
    """Return the rules in a YAML file.

    Raises:
        UsageError: If there are also rules on the command line.
        ResultsError: For a file that is not valid, or has an unknown rule.
    """
    if given.given:
        raise UsageError("rules are given twice: with --rules, and as --exclude.*. Give them in one place.")
    try:
        content = read_yaml(path)
    except (DocumentError, OSError) as error:
        raise UsageError(f"--rules {path}: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"--rules {path}: holds no rules. Write a map, such as: failed_checks: 1")
    unknown = [str(name) for name in content if name not in {own.name for own in fields(ExclusionRules)}]
    if unknown:
        raise UnknownNameError("rule", unknown[0], [own.name for own in fields(ExclusionRules)])
    return as_record(content, ExclusionRules, path, "Correct the rules.")


def _check(options: Any) -> None:
    if Path(options.out).suffix.lower() != ".parquet":
        raise UsageError(f"--out {options.out}: the table is written as Parquet; give a name in .parquet.")
    check_file(Path(options.out))
    for file in options.files:
        if not Path(file).exists():
            raise UsageError(f"{file}: no such file. Name the results of a listening test.")


def _refusal(found: Imported, faults: str) -> str:
    if not found.faults:
        return f"has no answers. {' '.join(found.notes)}".rstrip()
    advice = "" if not len(found.table.frame) else " Correct them, or leave them out with --on_error skip."
    return f"{count(len(found.faults), 'row')} cannot be used.{advice}\n{faults}"


def _exclusions_file(out: Path) -> Path:
    return out.with_suffix(f".{EXCLUSIONS}")


def _holds_exclusions(path: Path) -> bool:
    return contains(r'\A\{\s*"rules":', path)


def _write_exclusions(exclusions: Exclusions, out: Path) -> None:
    write_text(_exclusions_file(out), json_text(exclusions.to_dict(), indent=2) + "\n")


def _show(found: Imported, exclusions: Exclusions | None, out: Path, as_json: bool) -> None:
    content = {**content_of(found), "out": str(out)}
    if as_json:
        print(json_text({**content, "exclusions": exclusions and exclusions.to_dict()}, indent=2))
        return
    stdout.print(import_table(content))
    for note in found.notes:
        stderr.print(Text(f"Note: {note}"), soft_wrap=True)
    if found.faults:
        stderr.print(Text(f"Left out:\n{faults_text(found.faults)}", style="yellow"), soft_wrap=True)
    if exclusions is not None:
        stdout.print(exclusion_table(exclusions))
        kept = len(exclusions.listeners) - len(exclusions.excluded)
        stdout.print(f"Kept {kept} of {count(len(exclusions.listeners), 'listener')}.")
    stdout.print(f"Table: {out}", soft_wrap=True)
