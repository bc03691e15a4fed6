"""`sercl listen convert`: write a listening test in the form of another tool."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sercl.cli.console import stderr, stdout
from sercl.files import at_home
from sercl.listening.convert import FORMS, convert

if TYPE_CHECKING:
    from sercl.cli.parser import SerclParser

_ORDERS_HELP = (
    "Listeners whose order is written, each in a file of its own. By default 24 with --to folder, and none "
    "with --to webmushra, which then shuffles the items of each block by itself."
)


def main() -> int:
    """Run `sercl listen convert` with the arguments of the process."""
    options = build_parser().parse_args(sys.argv[1:])
    out = at_home(options.out)
    advice = convert(Path(at_home(options.test)), options.to, out, options.orders)
    stdout.print(str(out), soft_wrap=True, markup=False)
    for line in advice:
        stderr.print(line, soft_wrap=True, markup=False)
    return 0


def build_parser() -> "SerclParser":
    """Return the parser of the command."""
    from sercl.cli.parser import SerclParser

    parser = SerclParser(prog="sercl listen convert")
    parser.add_argument("test")
    parser.add_argument("--to", choices=FORMS, required=True, help="webMUSHRA, or a plain folder.")
    parser.add_argument("--out", type=str, required=True, help="Folder to write; it must be empty or new.")
    parser.add_argument("--orders", type=int | None, default=None, help=_ORDERS_HELP)
    return parser
