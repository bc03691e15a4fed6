"""`sercl listen answers`, `backup` and `withdraw`: what to do with the answers that a server has stored."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sercl.cli.console import stdout
from sercl.counting import count
from sercl.errors import OutputError
from sercl.files import at_home
from sercl.listening import protocol
from sercl.listening.serving.serve import answers_folder

if TYPE_CHECKING:
    from sercl.cli.parser import SerclParser

_ANSWERS_HELP = 'Folder of the answers, by default "answers" in that of the test.'


def main() -> int:
    """Run `sercl listen answers` with the arguments of the process."""
    from sercl.listening.ratings import check_file, write_table
    from sercl.listening.serving.rows import ratings

    options = build_parser().parse_args(sys.argv[1:])
    test, out = Path(at_home(options.test)), Path(at_home(options.out))
    check_file(out)
    table = ratings(answers_folder(test, options.answers), protocol.read(test))
    write_table(table, out)
    listeners = table.frame["listener"].nunique()
    stdout.print(
        f"{out}: {count(len(table.frame), 'row')} of {count(listeners, 'listener')}",
        soft_wrap=True,
        markup=False,
    )
    return 0


def backup() -> int:
    """Run `sercl listen backup` with the arguments of the process."""
    from sercl.listening.serving import store

    options = build_backup_parser().parse_args(sys.argv[1:])
    out = Path(at_home(options.out))
    entries = store.backup(answers_folder(Path(at_home(options.test)), options.answers), out)
    stdout.print(f"{out}: {count(entries, 'entry', 'entries')}, verified", soft_wrap=True, markup=False)
    return 0


def withdraw() -> int:
    """Run `sercl listen withdraw` with the arguments of the process."""
    from sercl.listening.serving.store import DATABASE, Store

    options = build_withdraw_parser().parse_args(sys.argv[1:])
    folder = answers_folder(Path(at_home(options.test)), options.answers)
    if not (folder / DATABASE).is_file():
        raise OutputError(f"{folder / DATABASE}: no such file. Give the folder of a test that was served.")
    with Store(folder) as store:
        entries = store.withdraw(options.token.rstrip("/").rpartition("/")[2])
    stdout.print(f"Removed the contents of {count(entries, 'entry', 'entries')}.")
    return 0


def build_parser() -> "SerclParser":
    """Return the parser of `sercl listen answers`."""
    return _parser("answers", "Table to write, such as ratings.parquet.")


def build_backup_parser() -> "SerclParser":
    """Return the parser of `sercl listen backup`."""
    return _parser("backup", "New folder for the copy.")


def build_withdraw_parser() -> "SerclParser":
    """Return the parser of `sercl listen withdraw`."""
    parser = _parser("withdraw")
    parser.add_argument("token", help="Token of the person's link, or the link.")
    return parser


def _parser(action: str, out_help: str | None = None) -> "SerclParser":
    from sercl.cli.parser import SerclParser

    parser = SerclParser(prog=f"sercl listen {action}")
    parser.add_argument("test")
    if out_help:
        parser.add_argument("--out", type=str, required=True, help=out_help)
    parser.add_argument("--answers", type=str | None, default=None, help=_ANSWERS_HELP)
    return parser
