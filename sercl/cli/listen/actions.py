"""`sercl listen`: names its actions; each has a module of its own."""

import sys
from typing import NoReturn

from sercl.errors import UnknownNameError


def main() -> NoReturn:
    """Refuse what is no action of `sercl listen`.

    Raises:
        UnknownNameError: Always: the dispatcher finds the actions.
    """
    from sercl.cli.commands import COMMANDS

    word = sys.argv[1] if len(sys.argv) > 1 else ""
    raise UnknownNameError(
        "listen action", word, COMMANDS["listen"].words, "`sercl listen --help` says more."
    )
