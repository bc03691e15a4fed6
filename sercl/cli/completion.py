"""`sercl completion SHELL`: a script that completes commands, their common options and values."""

import sys
from argparse import ArgumentParser
from collections.abc import Mapping

import shtab

from sercl.cli.commands import COMMANDS, Command
from sercl.cli.console import stdout
from sercl.cli.help import ShortPage, load_page, render
from sercl.errors import UnknownNameError, UsageError

PAGE = ShortPage(
    usage="sercl completion SHELL",
    summary="Print a script that completes commands, their common options and files.",
    arguments=(("SHELL", "bash, zsh or fish"),),
    options=(("-h, --help", "This page"),),
    examples=(
        ("bash", "sercl completion bash > ~/.local/share/bash-completion/completions/sercl"),
        ("zsh, into a folder of $fpath", 'sercl completion zsh > "${fpath[1]}/_sercl"'),
        ("fish", "sercl completion fish > ~/.config/fish/completions/sercl.fish"),
    ),
)
SHELLS = COMMANDS["completion"].words


def main() -> int:
    """Run `sercl completion` with the words of the process."""
    words = sys.argv[1:]
    if {"-h", "--help"} & set(words):
        stdout.print(render(PAGE))
        return 0
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
    return str(shtab.complete(_outline(COMMANDS), shell))


def _outline(commands: Mapping[str, Command]) -> ArgumentParser:
    """Return a parser with the commands and the options of their short pages; it parses nothing."""
    parser = ArgumentParser("sercl")
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("--debug", action="store_true", help="show the trace of an error")
    below = parser.add_subparsers()
    for name, command in commands.items():
        _add_command(below.add_parser(name, help=command.help), command)
    return parser


def _add_command(parser: ArgumentParser, command: Command) -> None:
    if command.page:
        for flags, text in load_page(command.page).options:
            if "--help" not in flags:  # argparse has added that one
                _add_option(parser, flags, text)
    if command.words:
        parser.add_argument("word", choices=command.words)
    if command.files:
        parser.add_argument("files", nargs="*").complete = shtab.FILE  # type: ignore[attr-defined]


def _add_option(parser: ArgumentParser, row: str, text: str) -> None:
    text = text.replace("%", "%%")  # argparse formats help texts
    words = row.replace(",", " ").split()
    flags = [word for word in words if word.startswith("-")]
    value = next((word for word in words if not word.startswith("-")), "")
    if not value:
        parser.add_argument(*flags, action="store_true", help=text)
        return
    action = parser.add_argument(*flags, help=text, choices=value.split("|") if "|" in value else None)
    if value in _PATHS:
        action.complete = _PATHS[value]  # type: ignore[attr-defined]


_PATHS = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
