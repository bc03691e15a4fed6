"""Where sercl prints: results on `stdout`, everything else on `stderr`."""

import gc
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from sercl.cli.siblings import is_silent
from sercl.reports.style import table

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = [
    "EscapingConsole",
    "Lines",
    "from_here",
    "loading",
    "progress",
    "stderr",
    "stdout",
    "table",
    "visible",
]

_PIPE_WIDTH = 120
EVERY = 20.0
"""Seconds between two lines of progress without a terminal."""


def from_here(path: Path) -> Path:
    """Return a path for display: relative to the working directory if inside it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _width(stream: TextIO) -> int | None:
    """Rich uses 80 columns without a terminal, which would break tables in files."""
    return None if stream.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH


# All but line breaks and tabs, and the marks that reverse the order of characters.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    r"""Return text with control characters as escapes such as "\x1b".

    File names and labels are anybody's, and a terminal obeys what it is sent: it moves the cursor, changes
    its title, or answers as if the user had typed.
    """
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


class EscapingConsole(Console):
    """A console that prints text as it is, without markup, and control characters in it as escapes.

    Args:
        file: Where to print; None for standard output or error.
        stderr: Whether None means standard error.
        width: In columns; None for that of the terminal.

    Attributes:
        has_reader: Whether all that was printed could be read: False once `| head` has read enough.
    """

    has_reader = True

    def __init__(self, file: TextIO | None = None, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(file=file, stderr=stderr, width=width, highlight=False, emoji=False, markup=False)

    def on_broken_pipe(self) -> None:
        """Go on without output; rich would end the command, and with it a training."""
        self.has_reader = False
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of anything that can be printed; rich's own control codes are kept."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


stdout = EscapingConsole(width=_width(sys.stdout))
stderr = EscapingConsole(stderr=True, width=_width(sys.stderr))


@contextmanager
def progress(
    description: str, total: int | None = None, console: Console | None = None
) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on `stderr` while the block runs, or occasional lines without a terminal.

    Args:
        description: Short description of the work.
        total: Number of steps, or None if unknown.
        console: Console to use instead of `stderr`, which follows `sys.stderr` when redirected.

    Yields:
        A function to call with the number of further steps done.
    """
    target = console or stderr
    if not target.is_terminal:
        yield Lines(description, total, target).advance
        return
    with _bar(target) as bar:
        task = bar.add_task(description, total=total)
        yield lambda steps: bar.advance(task, steps)


class Lines:
    """Progress as lines, for logs: one every `EVERY` seconds, so that short work prints nothing.

    Args:
        description: Short description of the work.
        total: Number of steps, or None if unknown.
        console: Console to print on.
    """

    def __init__(self, description: str, total: int | None, console: Console) -> None:
        self._description, self._total, self._console = description, total, console
        self._done, self._said = 0, time.monotonic()

    def advance(self, steps: int) -> None:
        """Count steps, and print how many are done if the last line is old enough."""
        self._done += steps
        if self.is_due and not is_silent():
            share = f" of {self._total} ({self._done / self._total:.0%})" if self._total else ""
            self.say(f"{self._description}: {self._done}{share}")

    def say(self, text: str) -> None:
        """Print a line."""
        self._said = time.monotonic()
        self._console.print(text, soft_wrap=True, markup=False)

    @property
    def is_due(self) -> bool:
        """Whether the last line is old enough."""
        return time.monotonic() - self._said >= EVERY


@contextmanager
def loading(what: str = "loading PyTorch and Lightning") -> Iterator[None]:
    """Show on a terminal that something heavy is loading, while the block runs.

    Meanwhile Python does not look for reference cycles: imports leave hardly any, and the search takes a
    fifth of their time.
    """
    is_first, collects = "torch" not in sys.modules, gc.isenabled()
    gc.disable()
    try:
        with stderr.status(what) if stderr.is_terminal else nullcontext():
            yield
    finally:
        if is_first:
            gc.freeze()  # modules stay to the end, and need not be searched later either
        if collects:
            gc.enable()


def _bar(console: Console) -> "Progress":
    from rich import progress as parts  # takes a sixth of the time allowed for the front page

    return parts.Progress(
        parts.SpinnerColumn(),
        parts.TextColumn("{task.description}"),
        parts.BarColumn(),
        parts.MofNCompleteColumn(),
        parts.TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=is_silent(),
        # Rich would send a redirected stdout to the console of the bar: to the terminal, not to the file.
        redirect_stdout=False,
    )


@contextmanager
def stage_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show one bar after the other on standard error while the block runs.

    Yields:
        A function to call with the current step, the number of clips done, and their total.
    """
    with ExitStack() as bars:
        current: dict[str, tuple[Callable[[int], None], int]] = {}

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in current:
                bars.close()
                current.clear()
                current[what] = (bars.enter_context(progress(what, total)), 0)
            advance, before = current[what]
            advance(done - before)
            current[what] = (advance, done)

        yield on_progress
