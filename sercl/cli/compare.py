"""`sercl compare`: compare the settings of two runs or studies and test whether their scores differ."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sercl.cli.console import stdout
from sercl.cli.help import GROUP_HELP, names_of
from sercl.cli.pages import COMPARE
from sercl.errors import UsageError
from sercl.json_text import json_text

if TYPE_CHECKING:
    from sercl.cli.parser import SerclParser


def main() -> int:
    """Run `sercl compare` with the arguments of the process."""
    options = build_parser().parse_args(sys.argv[1:])
    columns = names_of(options.group_by)
    folders = [folder for folder in (options.run_a, options.run_b) if folder is not None]
    if len(folders) == 1 and not columns:
        raise UsageError(
            "missing: RUN_B. Give two folders; or one with --group_by dialect, for groups of its utterances."
        )
    for folder in folders:
        if not Path(folder).is_dir():  # checked before pandas and statsmodels are imported
            raise UsageError(f"{folder}: no such folder. Give the folder of a run or a study.")
    from sercl.reports import run_comparison as reports
    from sercl.studies import comparison as studies

    if len(folders) == 1:
        groups = studies.compare_groups(folders[0], columns)
        content = {"folder": folders[0], "groups": reports.groups_to_dict(groups)}
        shown = reports.groups_report(groups)
    else:
        comparison = studies.compare(folders[0], folders[1], columns)
        content, shown = reports.comparison_to_dict(comparison), reports.comparison_report(comparison)
    if options.json:
        print(json_text(content, indent=2))
    else:
        stdout.print(shown)
    return 0


def build_parser() -> "SerclParser":
    """Return the parser of the command."""
    from sercl.cli.parser import SerclParser

    parser = SerclParser(prog="sercl compare", description=COMPARE.summary)
    parser.add_argument("run_a")
    parser.add_argument("run_b", nargs="?", default=None)
    parser.add_argument("--group_by", nargs="+", default=[], help=GROUP_HELP)
    parser.add_argument("--json", action="store_true", help="Print JSON instead of tables.")
    return parser
