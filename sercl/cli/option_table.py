"""What options the commands have, in a file: a misspelt one is found before anything heavy is imported.

`options.json` is written by `python -m sercl.cli.options_file`; a test compares it with the parsers.
"""

import re
from pathlib import Path
from typing import Any

from sercl.cli.option_words import CLASS, FILES, FLAG, LIST, TUPLE, VALUE
from sercl.documents import read_json

PATH = Path(__file__).with_name("options.json")


def read() -> dict[str, dict[str, Any]]:
    """Return the table: "commands" (name -> option -> kind), "data" (corpus -> its options) and "names"."""
    table: dict[str, dict[str, Any]] = read_json(PATH)
    return table


def kinds_of(parser: Any) -> dict[str, str]:
    """Return the long options of a parser with their kinds."""
    return {
        name: _kind(action) for name, action in parser._option_string_actions.items() if name.startswith("--")
    }


def _kind(action: Any) -> str:
    name, hint = type(action).__name__, str(getattr(action, "_typehint", None))
    if "ConfigFile" in name:
        return FILES
    if action.nargs == 0:
        return FLAG
    if action.nargs in ("+", "*") or re.search(r"(list|iterable|sequence)\[", hint.lower()):
        return LIST
    if re.search(r"tuple\[", hint.lower()):
        return TUPLE
    has_options = any(word in hint for word in ("sercl.", "lightning.", "dict"))
    return CLASS if has_options and "Literal" not in hint else VALUE
