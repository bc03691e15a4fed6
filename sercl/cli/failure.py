"""What a person sees when a command fails: one message, and the exit code that goes with it."""

import errno
import os
import re
import sys
import traceback

from sercl.errors import SerclError

INTERRUPTED = 130
"""Exit code after Ctrl-C (128 + SIGINT)."""
TERMINATED = 143
"""Exit code after the system or a job scheduler asked for the end (128 + SIGTERM)."""
BROKEN_PIPE = 141
"""Exit code when the reader of our output has gone (128 + SIGPIPE)."""

_OS_ADVICE = {
    errno.ENOSPC: "Free some space, or write to another disk.",
    errno.EDQUOT: "Free some space, or write to another disk.",
    errno.EACCES: "Choose a place that you may read and write.",
    errno.EPERM: "Choose a place that you may read and write.",
    errno.EROFS: "Choose a place that can be written.",
    errno.EMFILE: "Raise the limit with `ulimit -n 4096`, or use fewer workers.",
}
# By name: naming the types would import torch and lightning for every message.
_MEMORY = {"MemoryError", "OutOfMemoryError"}
_LIBRARY_USAGE = {"MisconfigurationException"}
_WORKER = re.compile(r"Caught (\w+) in DataLoader worker process \d+\.")


def report(error: BaseException, debug: bool = False) -> int:
    """Print one message about `error` to stderr and return the exit code.

    Args:
        error: What ended the command.
        debug: Print the trace before the message.
    """
    if isinstance(error, SystemExit) and _stop(error) is None:
        return _system_exit(error)
    if isinstance(error, BrokenPipeError):
        return _broken_pipe()
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    message, code = describe(error)
    _show(message)
    return code


def describe(error: BaseException) -> tuple[str, int]:
    """Return the message for a person and the exit code."""
    if stop := _stop(error):
        return stop
    if isinstance(error, SerclError):
        return _from_worker(error) or str(error), error.exit_code
    return _from_worker(error) or _outside(error) or _defect(error), 1


def _stop(error: BaseException) -> tuple[str, int] | None:
    """Return message and exit code where a person or the system stopped the command, else None."""
    # Lightning turns Ctrl-C into `sys.exit(1)`, and SIGTERM into a SystemExit without a code: a success.
    if isinstance(error, KeyboardInterrupt) or (
        isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt)
    ):
        return "stopped by Ctrl-C.", INTERRUPTED
    if type(error).__name__ == "SIGTERMException":
        return "stopped by SIGTERM, as the system or a job scheduler sends it.", TERMINATED
    return None


def _outside(error: BaseException) -> str | None:
    """Return a message for what the machine or the user caused, None for what looks like a defect."""
    name = type(error).__name__
    if name in _MEMORY:
        where = "GPU memory" if name == "OutOfMemoryError" else "memory"
        return f"out of {where}. Use smaller batches, a smaller encoder, or fewer of its blocks."
    if isinstance(error, OSError) and error.errno in _OS_ADVICE:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}. {_OS_ADVICE[error.errno]}"
    return str(error) if name in _LIBRARY_USAGE else None


def _from_worker(error: BaseException) -> str | None:
    """Return the message of one of our errors that a loader process raised: torch wraps it in its trace."""
    text = str(error)
    if _WORKER.match(text) is None:
        return None
    last = re.findall(r"^sercl\.errors\.\w+: (.*)", text, flags=re.DOTALL | re.MULTILINE)
    return last[-1].strip() if last else None


def _defect(error: BaseException) -> str:
    return (
        f"unexpected {type(error).__name__}: {error}\n"
        "This is a defect in sercl. Run the same command with --debug to see the trace, and report it."
    )


def _system_exit(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    _show(str(stop.code))
    return 1


def _broken_pipe() -> int:
    # Python would flush stdout once more on its way out, and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


def _show(message: str) -> None:
    if not sys.stderr.isatty():
        print(f"error: {message}", file=sys.stderr)
        return
    from rich.panel import Panel
    from rich.text import Text

    from sercl.cli.console import stderr

    stderr.print(Panel(Text(message), title="error", title_align="left", border_style="red"))
