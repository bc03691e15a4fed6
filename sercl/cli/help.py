"""Short help pages: description, most used options, examples."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from textwrap import wrap

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sercl.cli import option_table
from sercl.errors import UnknownOptionError, UsageError

_NONSENSE = "nonsense"
_INDENT, _CONTINUATION = " " * 6, " \\"
_WORD = re.compile(r"(?:[^\s'\"]|'[^']*'|\"[^\"]*\")+")

DEVICE_HELP = "auto (a GPU if available), cpu, cuda, cuda:1 or mps."
DEVICES_HELP = (
    "Processes that share the recordings on this machine, each with one of the GPUs in turn, or its share of "
    "the cores."
)
PRECISION_HELP = (
    "Precision of the encoder: fp32, bf16 or fp16. bf16 takes about half of the time on a processor that has "
    "bfloat16; probabilities then differ by about 0.01."
)
ENCODER_HELP = "Folder of the encoder, if it has moved since training."
GROUP_HELP = "Score groups of utterances: by gender, language, dialect, session or any column of a manifest."
JSON_HELP = "Print the results as JSON."
RECURSIVE_HELP = "Include subfolders."
"""Texts of options that several commands have."""

Rows = Sequence[tuple[str, str]]


def names_of(words: Iterable[str]) -> list[str]:
    """Return names that are separated by spaces or commas, each once."""
    return list(dict.fromkeys(name for word in words for name in word.split(",") if name))


@dataclass(frozen=True)
class ShortPage:
    """One page of help.

    Attributes:
        command: Name of the command, with its action: "fit", "diarize fit".
        usage: The rest of its command line in short.
        summary: One or two sentences.
        options: Flags and placeholder of each option, such as "-c, --config FILE": its text and default are
            those of the parser (`options.json`). (flags, text) for an entry that is not a single option.
        examples: (what it does, command line).
        arguments: (positional argument, what it is).
        more: A last line, such as how to show all options.
        file: Name and text of a configuration to start from.
    """

    command: str
    usage: str
    summary: str
    options: Sequence[str | tuple[str, str]]
    examples: Rows = ()
    arguments: Rows = ()
    more: str = ""
    file: tuple[str, str] | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """The long flags on the page."""
        return tuple(long_flag(row if isinstance(row, str) else row[0]) for row in self.options)

    @property
    def rows(self) -> Rows:
        """(flags and placeholder, what it does) of each option.

        Completion reads them, too: FILE and DIR stand for paths, words joined by | for the valid values.
        """
        return [self._row(row) if isinstance(row, str) else row for row in self.options]

    def _row(self, flags: str) -> tuple[str, str]:
        if long_flag(flags) == "--help":
            return flags, "This page"
        choices, text = option_table.read()["help"][self.command][long_flag(flags)]
        return f"{flags} {choices}".rstrip(), text


def long_flag(flags: str) -> str:
    """Return the long flag of "-c, --config FILE"."""
    return next(word for word in flags.replace(",", " ").split() if word.startswith("--"))


def render(page: ShortPage) -> RenderableType:
    """Return the page as a rich renderable."""
    parts: list[RenderableType] = [
        Text.assemble(("Usage: ", "bold"), f"sercl {page.command} {page.usage}"),
        Text(""),
        Text(page.summary),
    ]
    parts += section("Arguments", page.arguments)
    parts += section("Options", page.rows)
    parts += examples(page.examples)
    if page.file:
        name, text = page.file
        parts += [Text(""), Text(f"Example of {name}", style="bold")]
        parts += [Text(f"  {line}", no_wrap=True, overflow="ignore") for line in text.splitlines()]
    if page.more:
        parts += [Text(""), Text(page.more, style="dim")]
    return Group(*parts)


def section(title: str, rows: Rows, width: int = 0) -> list[RenderableType]:
    """Return a heading and a two-column list below it, or nothing if there are no rows.

    Args:
        title: The heading.
        rows: (name, text).
        width: Least width of the first column, for sections that should line up.
    """
    if not rows:
        return []
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True, min_width=width)
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(Text(name), Text(text))
    return [Text(""), Text(title, style="bold"), Padding(grid, (0, 0, 0, 2))]


def examples(rows: Rows) -> list[RenderableType]:
    """Return a heading and commands, each below its purpose."""
    if not rows:
        return []
    lines: list[RenderableType] = [Text(""), Text("Examples", style="bold")]
    for purpose, command in rows:
        lines += [_Comment(purpose), _Command(command)]
    return lines


@dataclass(frozen=True)
class _Comment:
    """A shell comment."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lead = "  # "
        for line in wrap(self.text, options.max_width, initial_indent=lead, subsequent_indent=lead):
            yield Text(line, style="dim")


@dataclass(frozen=True)
class _Command:
    """A command line, broken with backslashes if too wide, so that it can be copied into a shell."""

    text: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in continued(self.text, options.max_width).split("\n"):
            yield Text(line, no_wrap=True, overflow="ignore")


def continued(command: str, width: int) -> str:
    """Return a command line, indented, with a backslash at the end of each line but the last.

    It is broken before an option if that is enough, else between words; a quoted word is kept whole.

    Args:
        command: The command line.
        width: Maximum width of a line; a longer word is not broken.
    """
    parts = [part for part in re.split(r" (?=--)", command) if part]
    room = width - len(_INDENT + _CONTINUATION)
    pieces = [word for part in parts for word in ([part] if len(part) <= room else _WORD.findall(part))]
    lines = [""]
    for piece in pieces:
        if lines[-1] and len(f"{lines[-1]} {piece}") > room:
            lines.append("")
        lines[-1] += f" {piece}" if lines[-1] else piece
    return f"  {f'{_CONTINUATION}{chr(10)}{_INDENT}'.join(lines)}"


def unknown_flags(flags: Iterable[str], parse: Callable[[list[str]], object]) -> list[str]:
    """Return those of `flags` that a parser rejects as unknown.

    Args:
        flags: Long flags, such as those of a `ShortPage`.
        parse: Parses a command line, with whatever a class option needs before the flag ("--data", "EmoDB").
    """
    return [flag for flag in flags if not _is_known(flag, parse)]


def _is_known(flag: str, parse: Callable[[list[str]], object]) -> bool:
    try:
        parse([f"{flag}={_NONSENSE}"])
    except UnknownOptionError:
        return False
    except (UsageError, SystemExit):
        return True  # the value was invalid, or a page was printed: the flag exists
    return True
