"""`sercl listen` with a word that is none of its actions, each of which has a module of its own."""

import sys
from typing import NoReturn

from sercl.cli.commands import COMMANDS
from sercl.errors import UnknownNameError


def main() -> NoReturn:
    """Raise `UnknownNameError` for the first word."""
    hint = "`sercl listen --help` describes each."
    raise UnknownNameError("action of listen", sys.argv[1], COMMANDS["listen"].words, hint)
