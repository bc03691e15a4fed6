"""The message and exit code of a failed command."""

import errno
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sercl.cli import siblings
from sercl.cli.console import stderr, visible
from sercl.cli.siblings import Together
from sercl.connections import NO_ANSWER, is_lost_connection, waited
from sercl.errors import SerclError
from sercl.memory import exhausted
from sercl.stopping import EXIT_CODES, Stopped, stop_behind

INTERRUPTED = 130
"""Exit code after Ctrl-C (128 + SIGINT)."""
BROKEN_PIPE = 141
"""Exit code when the reader of the output has exited (128 + SIGPIPE)."""

CTRL_C = "Ctrl-C"

_OS_ADVICE = {
    errno.ENOSPC: "Free some space, or write to another disk.",
    errno.EDQUOT: "Free some space, or write to another disk.",
    errno.EIO: "The disk or its connection has failed: check it, or use another one.",
    errno.ESTALE: "The folder on the server has changed: check the connection, and run again.",
    errno.EACCES: "Choose a folder that you may read and write.",
    errno.EPERM: "Choose a folder that you may read and write.",
    errno.EROFS: "Choose a folder that is writable.",
    errno.EMFILE: "Raise the limit with `ulimit -n 4096`, or use fewer workers.",
    errno.ENAMETOOLONG: "The file name is too long. Check the path.",
    errno.ELOOP: "Symbolic links form a cycle. Check the path.",
    errno.ENOTDIR: "A part of the path is a file. Check the path.",
    errno.EISDIR: "A file is needed. Check the path.",
    errno.ENXIO: "A regular file is needed. Check the path.",
    errno.EAGAIN: "The system allows no more processes: use fewer workers, or raise the limit (`ulimit -u`).",
}
_LONGEST_SUBJECT = 500
_MEMORY_ADVICE = (
    "Use smaller batches (in training --data.loader.batch_seconds), a smaller encoder, or fewer of its "
    "blocks; for the main memory also fewer workers (--data.loader.workers)."
)
_FEWER_WORKERS = (
    "Use fewer workers (--data.loader.workers, --features.workers), 0 for none, or smaller batches."
)
_SHARED_MEMORY = re.compile(
    r"out of shared memory|unable to (write to file|allocate shared memory\(shm\) for file) </torch_"
)
_OPEN_FILES = re.compile(r"Too many open files|received \d+ items of ancdata")
_THREADS = re.compile(r"can't start new thread")
_DEAD_WORKER = re.compile(r"DataLoader worker \(pid[^)]*\)*.* exited unexpectedly|Pin memory thread exited")
_KILLED_WORKER = re.compile(r"DataLoader worker \(pid [\d, ]+\) is killed by signal: ([^.]+)\.")
CONTINUES = "Training continues with --resume."
_LIBRARY_USAGE = {"MisconfigurationException"}
_WORKER = re.compile(r"Caught (\w+) in DataLoader worker process \d+\.")
_ERRNO = re.compile(r"^\w*Error: \[Errno (\d+)\] (.*)$", re.MULTILINE)


def report(error: BaseException, debug: bool = False) -> int:
    """Print one message about `error` to stderr and return the exit code.

    Args:
        error: What ended the command.
        debug: Print the trace before the message.
    """
    if isinstance(error, SystemExit) and _stop(error) is None:
        return _system_exit(error)
    if isinstance(error, Exception):
        error = stop_behind(error) or error
    if isinstance(error, BrokenPipeError):
        return _broken_pipe()
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    message, code = describe(error)
    follows = is_lost_connection(error) or stopped_by(error) is not None
    if siblings.is_started_by_another():
        siblings.leave(siblings.Failure(message, code, follows))
    elif (others := Together.found()) is not None:
        for said in others.to_say(siblings.Failure(message, code, follows)):
            _show(said)
    else:
        _show(message)
    return code


def describe(error: BaseException) -> tuple[str, int]:
    """Return the message for the user and the exit code."""
    if stop := _stop(error):
        return stop
    if isinstance(error, SerclError):
        return _from_worker(error) or str(error), error.exit_code
    return _from_worker(error) or _outside(error) or _defect(error), 1


def stopped_by(error: BaseException) -> str | None:
    """Return what stopped a command: "Ctrl-C", the name of a signal in `EXIT_CODES`, or None."""
    # Lightning turns Ctrl-C into `sys.exit(1)`.
    if isinstance(error, KeyboardInterrupt) or (
        isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt)
    ):
        return CTRL_C
    return error.name if isinstance(error, Stopped) else None


@contextmanager
def advice_if_stopped(advice: str) -> Iterator[None]:
    """Let the message say what to do where the user or the system stops the block."""
    try:
        yield
    except BaseException as error:
        if stopped_by(error) is not None:
            error.add_note(advice)
        raise


def _stop(error: BaseException) -> tuple[str, int] | None:
    """Return message and exit code if the user or the system stopped the command, else None."""
    if (stop := stopped_by(error)) is None:
        return None
    source = "" if stop == CTRL_C else ", as the system or a job scheduler sends it"
    message = " ".join([f"stopped by {stop}{source}.", *getattr(error, "__notes__", ())])
    return message, EXIT_CODES.get(stop, INTERRUPTED)


def _outside(error: BaseException) -> str | None:
    """Return a message for an error caused by the machine or the user, None for a likely defect."""
    if memory := _memory(error):
        return f"out of {memory}. {_MEMORY_ADVICE}"
    if isinstance(error, OSError) and error.errno in _OS_ADVICE:
        return _refused(error.errno, error.strerror, error.filename)
    if isinstance(error, RuntimeError):
        return _of_libraries(error)
    return str(error) if type(error).__name__ in _LIBRARY_USAGE else None


def _of_libraries(error: RuntimeError) -> str | None:
    """Return a message for a system error that torch reports only in its text."""
    text = str(error)
    for words, number in ((_OPEN_FILES, errno.EMFILE), (_THREADS, errno.EAGAIN)):
        if words.search(text):
            return _refused(number, os.strerror(number))
    if not is_lost_connection(error):
        return None
    if (seconds := waited(error)) is not None:
        return f"another process of this run {NO_ANSWER.format(seconds)} {CONTINUES}"
    return (
        "the connection to another process of this run was lost: it has ended, or the network has failed. "
        f"See its own message. {CONTINUES} ({text.strip().splitlines()[0]})"
    )


def _memory(error: BaseException) -> str | None:
    """Return which memory has run out, here or in a loader process; None if none has."""
    worker = _WORKER.match(str(error))
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return "memory"
    return exhausted(error, worker[1] if worker else "")


def _refused(number: int | None, reason: str | None, subject: object = None) -> str | None:
    """Return the message of a system error for which there is advice."""
    if number not in _OS_ADVICE:
        return None
    shown = str(subject) if len(str(subject)) <= _LONGEST_SUBJECT else f"{str(subject)[:_LONGEST_SUBJECT]}..."
    return f"{f'{shown}: ' if subject else ''}{reason}. {_OS_ADVICE[number]}"


def _from_worker(error: BaseException) -> str | None:
    """Return the message about a loader process: an error that torch wrapped in its trace, or its death."""
    text = str(error)
    if _WORKER.match(text) is None:
        return _dead_worker(error)
    last = re.findall(r"^sercl\.errors\.\w+: (.*)", text, flags=re.DOTALL | re.MULTILINE)
    if last:
        return str(last[-1]).strip()
    numbered = _ERRNO.findall(text)
    return _refused(int(numbered[-1][0]), numbered[-1][1]) if numbered else None


def _is_from_worker(error: BaseException) -> bool:
    """Whether an error arose while data from another process were received."""
    frames = traceback.walk_tb(error.__traceback__)
    return any("multiprocessing" in Path(frame.f_code.co_filename).parts for frame, _ in frames)


def _dead_worker(error: BaseException) -> str | None:
    """Return the message about a loader process that was killed, None if none was."""
    died = f"a process that loads audio has died, as it does when memory runs out. {_FEWER_WORKERS}"
    if isinstance(error, ConnectionResetError) and _is_from_worker(error):
        return died
    if not isinstance(error, RuntimeError):
        return None
    text = "\n".join(map(str, _chain(error)))
    if _SHARED_MEMORY.search(text):
        return (
            "the shared memory of the processes that load audio is full (/dev/shm). Enlarge it (docker run "
            f"--shm-size=8g). {_FEWER_WORKERS}"
        )
    if killed := _KILLED_WORKER.search(text):
        cause = ", as the system does when memory runs out" if killed[1] == "Killed" else ""
        return f"a process that loads audio was killed (signal: {killed[1]}){cause}. {_FEWER_WORKERS}"
    return died if _DEAD_WORKER.search(text) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and those that it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__  # type: ignore[assignment]


def _defect(error: BaseException) -> str:
    what, see = (
        f"unexpected {type(error).__name__}: {error}",
        "Run the same command with --debug to see the trace",
    )
    if place := _place_outside(error):
        return f"{what}\nIt was raised in {place}, which is not part of sercl. {see}."
    return f"{what}\nThis is a defect in sercl. {see}, and report it."


def _place_outside(error: BaseException) -> str | None:
    """Return file and line of the last call in sercl or the user's packages, if it is in one of these."""
    from sercl.imports import is_allowed  # only here: a help page needs none of what it imports

    frames = traceback.walk_tb(error.__traceback__)
    known = [
        (name, f"{frame.f_code.co_filename}:{line}")
        for frame, line in frames
        if (name := str(frame.f_globals.get("__name__"))).startswith("sercl.") or is_allowed(name)
    ]
    return known[-1][1] if known and is_allowed(known[-1][0]) else None


def _system_exit(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    _show(str(stop.code))
    return 1


def _broken_pipe() -> int:
    # Python would flush stdout once more at exit, and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


def _show(message: str) -> None:
    if not sys.stderr.isatty():
        print(f"error: {visible(message)}", file=sys.stderr)
        return
    from rich.panel import Panel
    from rich.text import Text

    stderr.print(Panel(Text(message), title="error", title_align="left", border_style="red"))
