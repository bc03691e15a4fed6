"""Help pages a person can read: what it is, the options people use, examples."""

import importlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sercl.errors import UnknownOptionError, UsageError

_COMMAND_WIDTH = 70
_NONSENSE = "nonsense"

Rows = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class ShortPage:
    """One page of help.

    Attributes:
        usage: The command line in short, without "usage:".
        summary: One or two sentences.
        options: (flags and placeholder, what it does), such as "-c, --config FILE" or "--format csv|json".
            Completion reads them, too: FILE and DIR stand for paths, words joined by | for the legal values.
        examples: (what it does, command line).
        arguments: (positional argument, what it is).
        more: A last line, such as where the rest of the options is shown.
    """

    usage: str
    summary: str
    options: Rows
    examples: Rows = ()
    arguments: Rows = ()
    more: str = ""

    @property
    def flags(self) -> tuple[str, ...]:
        """The long flags on the page."""
        words = (flag.replace(",", " ").split() for flag, _ in self.options)
        return tuple(next(word for word in line if word.startswith("--")) for line in words)


def load_page(target: str) -> ShortPage:
    """Return the page that "module:NAME" stands for."""
    module, name = target.split(":")
    page = getattr(importlib.import_module(module), name)
    if not isinstance(page, ShortPage):
        raise TypeError(f"{target} is a {type(page).__name__}, not a ShortPage")
    return page


def render(page: ShortPage) -> RenderableType:
    """Return the page as something rich prints."""
    parts: list[RenderableType] = [
        Text.assemble(("Usage: ", "bold"), page.usage),
        Text(""),
        Text(page.summary),
    ]
    parts += section("Arguments", page.arguments)
    parts += section("Options", page.options)
    parts += examples(page.examples)
    if page.more:
        parts += [Text(""), Text(page.more, style="dim")]
    return Group(*parts)


def section(title: str, rows: Rows, width: int = 0) -> list[RenderableType]:
    """Return a heading and a two-column list below it, or nothing where there are no rows.

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
        lines += [Text(f"  # {purpose}", style="dim"), Text(f"  {_continued(command)}")]
    return lines


def _continued(command: str) -> str:
    """Break a long command before its options, so that it can be copied whole."""
    lines = [""]
    for part in re.split(r" (?=--)", command):
        if lines[-1] and len(lines[-1]) + len(part) > _COMMAND_WIDTH:
            lines.append("")
        lines[-1] += f" {part}" if lines[-1] else part
    return " \\\n      ".join(lines)


def unknown_flags(flags: Iterable[str], parse: Callable[[list[str]], object]) -> list[str]:
    """Return those of `flags` that a parser answers with "unknown option".

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
        return True  # the value was refused, or a page was printed: the flag exists
    return True
