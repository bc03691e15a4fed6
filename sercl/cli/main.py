"""The dispatcher: a table of commands. It imports the standard library and rich, so that help is instant."""

import importlib
import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TextIO

from rich.text import Text

from sercl.cli.commands import COMMANDS, EXAMPLES, FRONT, Command
from sercl.cli.console import loading, stdout
from sercl.cli.failure import report
from sercl.cli.help import examples, render, section
from sercl.cli.siblings import check_ranks, end_with_parent
from sercl.errors import SerclWarning, UnknownNameError
from sercl.version import __version__

_HELP = {"-h", "--help", "help"}
_SUMMARY = "Speech emotion recognition across languages: train, evaluate and use emotion classifiers."
_FOOTER = "\nsercl COMMAND --help: its options.  --debug: the trace of an error.  --version: the version."
_VERSION = {"-V", "--version", "version"}


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 wrong usage, 1 any other failure, 130 Ctrl-C.

    Args:
        argv: Words after "sercl"; those of the process by default.
    """
    words, debug = _take_debug(sys.argv[1:] if argv is None else argv)
    end_with_parent()
    try:
        with _letting_odd_names_through(sys.stdout), _plain_warnings():
            code = dispatch(words)
            sys.stdout.flush()
    except BaseException as error:
        return report(error, debug)
    return code


def dispatch(words: list[str]) -> int:
    """Run one command and return its exit code; errors pass through, unlike in `main`."""
    if not words or words[0] in _HELP:
        _print_front_page()
        return 0
    if words[0] in _VERSION:
        print(f"sercl {__version__}")
        return 0
    return _run(words)


def _run(words: list[str]) -> int:
    if words[0] not in COMMANDS:
        raise UnknownNameError("command", words[0], FRONT, "`sercl --help` describes each.")
    name = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0]
    command, rest = COMMANDS[name], words[len(name.split()) :]
    if _asks_for_page(command, rest):
        stdout.print(render(command.page), crop=False)
        return 0
    _let_variables_set_no_option()
    check_ranks()
    if command.is_heavy:
        from sercl.cli.precheck import checked

        rest = checked(name, rest)
    rest = ["--help" if word == "--help-all" else word for word in rest]
    module, function = command.target.split(":")
    with _command_line([f"sercl {name}", *rest]):
        with loading() if command.is_heavy else nullcontext():
            found = importlib.import_module(module)
        return getattr(found, function)() or 0


def _let_variables_set_no_option() -> None:
    """Take away the variables with which jsonargparse would read options from further variables."""
    for name in [name for name in os.environ if name.startswith("JSONARGPARSE_")]:
        del os.environ[name]


def _asks_for_page(command: Command, words: list[str]) -> bool:
    if not words:
        return command.needs_words
    if command.all_options and words[0] in command.words:
        return False  # that action's page is made by its parser
    asked = {"-h", "--help"} if command.all_options and command.is_heavy else {"-h", "--help", "--help-all"}
    return bool(asked & set(words)) or (command.needs_words and words[0] == "help")


@contextmanager
def _command_line(argv: list[str]) -> Iterator[None]:
    """Parsers of commands and LightningCLI read `sys.argv`; the first word is what they call themselves."""
    before = sys.argv
    sys.argv = argv
    try:
        yield
    finally:
        sys.argv = before


def _take_debug(argv: list[str]) -> tuple[list[str], bool]:
    """Return the words without `--debug`, legal anywhere before a bare `--`, and whether it was there."""
    end = argv.index("--") if "--" in argv else len(argv)
    words = [word for word in argv[:end] if word != "--debug"]
    return words + argv[end:], len(words) < end


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print warnings of sercl without the line of code that they come from."""
    before = warnings.formatwarning

    def text(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        if issubclass(category, SerclWarning):
            return f"warning: {message}\n"
        return before(message, category, filename, lineno, line)

    warnings.formatwarning = text
    try:
        yield
    finally:
        warnings.formatwarning = before


@contextmanager
def _letting_odd_names_through(stream: TextIO) -> Iterator[None]:
    """Print file names that are no legal text instead of failing at them, while the block runs."""
    if not isinstance(stream, io.TextIOWrapper):
        yield
        return
    before = stream.errors
    is_unicode = stream.encoding.lower().replace("-", "") == "utf8"
    stream.reconfigure(errors="surrogateescape" if is_unicode else "backslashreplace")
    try:
        yield
    finally:
        stream.reconfigure(errors=before)


def _print_front_page() -> None:
    stdout.print(Text.assemble(("sercl ", "bold cyan"), (__version__, "dim")))
    stdout.print(Text(_SUMMARY))
    stdout.print(Text.assemble(("\nUsage: ", "bold"), "sercl COMMAND [OPTIONS]"))
    width = max(map(len, FRONT))
    for group in dict.fromkeys(command.group for command in FRONT.values()):
        rows = [(name, command.help) for name, command in FRONT.items() if command.group == group]
        stdout.print(*section(group, rows, width), sep="\n")
    stdout.print(*examples(EXAMPLES), sep="\n", crop=False)
    stdout.print(Text(_FOOTER, style="dim"))
