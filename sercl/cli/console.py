"""Where sercl prints: results on `stdout`, everything else on `stderr`."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console

from sercl.cli.siblings import is_silent
from sercl.reports.style import table

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["progress", "stderr", "stdout", "table"]

_PIPE_WIDTH = 120


def _width(stream: TextIO) -> int | None:
    """Rich takes 80 columns where there is no terminal, which cuts tables that a file could hold."""
    return None if stream.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH


stdout = Console(highlight=False, emoji=False, width=_width(sys.stdout))
stderr = Console(stderr=True, highlight=False, emoji=False, width=_width(sys.stderr))


@contextmanager
def progress(
    description: str, total: int | None = None, console: Console | None = None
) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on `stderr` while the block runs; nothing is shown where that is no terminal.

    Args:
        description: What is going on, in a few words.
        total: Number of steps, or None where it is not known.
        console: Where to draw in place of `stderr`, which follows `sys.stderr` wherever that is sent.

    Yields:
        A function that is told how many more steps are done.
    """
    with _bar(console or stderr) as bar:
        task = bar.add_task(description, total=total)
        yield lambda steps: bar.advance(task, steps)


def _bar(console: Console) -> "Progress":
    from rich import progress as parts  # a sixth of the time that the front page may take

    return parts.Progress(
        parts.SpinnerColumn(),
        parts.TextColumn("{task.description}"),
        parts.BarColumn(),
        parts.MofNCompleteColumn(),
        parts.TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal or is_silent(),
        # Rich would send a redirected stdout to the console of the bar: into the terminal, not into the file.
        redirect_stdout=False,
    )
