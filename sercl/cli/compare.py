"""`sercl compare`: compare the settings of two runs or studies and test whether their scores differ."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sercl.cli.console import stdout
from sercl.cli.pages import COMPARE
from sercl.errors import UsageError
from sercl.json_text import json_text

if TYPE_CHECKING:
    from sercl.cli.parser import SerclParser


def main() -> int:
    """Run `sercl compare` with the arguments of the process."""
    options = build_parser().parse_args(sys.argv[1:])
    for folder in (options.run_a, options.run_b):
        if not Path(folder).is_dir():  # checked before pandas and statsmodels are imported
            raise UsageError(f"{folder}: no such folder. Give the folder of a run or a study.")
    from sercl.reports.run_comparison import comparison_report, comparison_to_dict
    from sercl.studies.comparison import compare

    comparison = compare(Path(options.run_a), Path(options.run_b))
    if options.json:
        print(json_text(comparison_to_dict(comparison), indent=2))
    else:
        stdout.print(comparison_report(comparison))
    return 0


def build_parser() -> "SerclParser":
    """Return the parser of the command."""
    from sercl.cli.parser import SerclParser

    parser = SerclParser(prog="sercl compare", description=COMPARE.summary)
    parser.add_argument("run_a")
    parser.add_argument("run_b")
    parser.add_argument("--json", action="store_true", help="Print JSON instead of tables.")
    return parser
