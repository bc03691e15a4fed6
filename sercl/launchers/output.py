"""Sending all output of a work item to a file."""

import faulthandler
import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO

from sercl.errors import OutputError


@contextmanager
def output_to(log: Path) -> Iterator[TextIO]:
    """Append output, warnings and logs of Python code to a file while the block runs.

    The attributes `sys.stdout` and `sys.stderr` are replaced, so a console that must keep writing to the
    terminal needs its own file.

    Args:
        log: The file; its folder is created.

    Yields:
        The open file.

    Raises:
        OutputError: If it cannot be written.
    """
    with ExitStack() as stack:
        file = stack.enter_context(_opened(log))
        for handler in _handlers_of_terminal():
            stack.callback(handler.setStream, handler.stream)
            handler.setStream(file)
        stack.enter_context(redirect_stdout(stack.enter_context(_lent(file, sys.stdout))))
        stack.enter_context(redirect_stderr(stack.enter_context(_lent(file, sys.stderr))))
        yield file


def own_process_output_to(log: Path) -> None:
    """Append all further output of this process to a file, including that of C libraries and child processes.

    Args:
        log: The file; its folder is created.

    Raises:
        OutputError: If it cannot be written.
    """
    with _opened(log) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    faulthandler.enable(2)


def empty(log: Path) -> None:
    """Create an empty log file, replacing an earlier one.

    Raises:
        OutputError: If it cannot be written.
    """
    with _opened(log) as file:
        file.truncate(0)


def _opened(log: Path) -> TextIO:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        # In append mode, so that several handles of one file do not overwrite each other's lines.
        return log.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
    except OSError as error:
        raise OutputError(f"{log}: cannot be written ({error.strerror or error}).") from error


class _Stream(io.TextIOBase, TextIO):
    """Writes to one file now and to another later.

    Libraries that are loaded in the meantime, such as transformers, keep the stream for all their messages.
    """

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, text: str) -> int:
        return self.file.write(text)

    def flush(self) -> None:
        self.file.flush()

    def fileno(self) -> int:
        return self.file.fileno()

    def isatty(self) -> bool:
        return self.file.isatty()


@contextmanager
def _lent(file: TextIO, later: TextIO) -> Iterator[TextIO]:
    """Yield a stream that writes to `file` while the block runs, and to `later` from then on."""
    stream = _Stream(file)
    try:
        yield stream
    finally:
        stream.file = later


def _handlers_of_terminal() -> list["logging.StreamHandler[TextIO]"]:
    """Return the handlers that refer to the current `sys.stdout` or `sys.stderr`."""
    terminal = sys.stdout, sys.stderr
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.Logger.manager.loggerDict))]
    return [
        handler
        for logger in loggers
        for handler in logger.handlers
        # Not `logging.lastResort`, which has no stream of its own: it looks for `sys.stderr` each time.
        if isinstance(handler, logging.StreamHandler) and vars(handler).get("stream") in terminal
    ]
