"""`sercl completion SHELL`: a script that completes commands, their common options and values."""

import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

import shtab

from sercl import plugins
from sercl.cli import option_table
from sercl.cli.commands import COMMANDS, FRONT, Command
from sercl.cli.option_table import FLAG, VALUE
from sercl.errors import UnknownNameError, UsageError

SHELLS = COMMANDS["completion"].words


def main() -> int:
    """Run `sercl completion` with the arguments of the process."""
    words = sys.argv[1:]
    if len(words) != 1:
        raise UsageError(f"completion takes one shell: {', '.join(SHELLS)}. Such as: sercl completion bash")
    print(script(words[0]))
    return 0


def script(shell: str) -> str:
    """Return the completion script for "bash", "zsh" or "fish".

    Raises:
        UnknownNameError: For any other shell.
    """
    if shell not in SHELLS:
        raise UnknownNameError("shell", shell, SHELLS)
    return str(shtab.complete(_outline(FRONT), shell))


def _outline(commands: Mapping[str, Command]) -> ArgumentParser:
    """Return a parser with the commands and the options of their short pages; not used for parsing."""
    parser = ArgumentParser("sercl")
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("--debug", action="store_true", help="show the trace of an error")
    below = parser.add_subparsers()
    for name, command in commands.items():
        _add_command(below.add_parser(name, help=command.help), name, command)
    return parser


def _add_command(parser: ArgumentParser, name: str, command: Command) -> None:
    values = _values()
    for flags, text in command.page.rows:
        if "--help" not in flags:  # argparse has already added this one
            _add_option(parser, flags, text, values)
    for flag, kind in _further_options(name, parser):
        parser.add_argument(flag, **_of_kind(flag, kind, values))
    if command.words:
        parser.add_argument("word", choices=command.words)
    if name == "corpus":
        parser.add_argument("name", nargs="?", choices=[*values["--data"]])
    if command.files:
        parser.add_argument("files", nargs="*").complete = shtab.FILE  # type: ignore[attr-defined]


def _further_options(command: str, parser: ArgumentParser) -> list[tuple[str, str]]:
    """Return the options of a command, and of its actions, that are not on its page, with their kinds."""
    table = option_table.read()
    found: dict[str, str] = {}
    for name, options in table["commands"].items():
        if name.split(" ")[0] == command:
            found |= options
    if "--data" in found:
        found |= {f"--data.{part}": VALUE for options in table["data"].values() for part in options}
    known = parser._option_string_actions
    return [(flag, kind) for flag, kind in found.items() if flag not in known and not flag.endswith("+")]


def _values() -> dict[str, list[str]]:
    """Return the valid names of options."""
    table = option_table.read()
    names = {
        "adapters": [*table["names"]["adapters"], *plugins.names(plugins.ADAPTERS)],
        "encoders": table["names"]["encoders"],
    }
    corpora = list(dict.fromkeys((*table["data"], *plugins.names(plugins.CORPORA))))
    taking = ("", ".source", ".target", ".corpora", ".source.corpora", ".target.corpora")
    of_data = dict.fromkeys((f"--data{part}" for part in taking), corpora)
    of_model = {"--model.encoder": names["encoders"], "--model.adapter": names["adapters"]}
    return {**of_data, **of_model, "--study.adapters": names["adapters"]}


def _of_kind(flag: str, kind: str, values: Mapping[str, list[str]]) -> dict[str, Any]:
    return {"action": "store_true"} if kind == FLAG else {"choices": values.get(flag)}


def _add_option(parser: ArgumentParser, row: str, text: str, values: Mapping[str, list[str]]) -> None:
    text = text.replace("%", "%%")  # argparse formats help texts
    words = row.replace(",", " ").split()
    flags = [word for word in words if word.startswith("-")]
    value = next((word for word in words if not word.startswith("-")), "")
    if not value:
        parser.add_argument(*flags, action="store_true", help=text)
        return
    choices = value.split("|") if "|" in value else values.get(flags[-1])
    action = parser.add_argument(*flags, help=text, choices=choices)
    if value in _PATHS:
        action.complete = _PATHS[value]  # type: ignore[attr-defined]


_PATHS = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
