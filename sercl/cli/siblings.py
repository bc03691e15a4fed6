"""What the processes of one run tell each other when one of them fails; the standard library alone.

The first process starts the others with the same command line. Only it speaks to a person: the others leave
what ended them in a folder that it has named in their environment.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

_FOLDER, _PARENT = "SERCL_FAILURES", "SERCL_FIRST_PROCESS"
_LOOK = 0.3
"""Time in s after which a process looks for the one that started it."""
_ORPHANED = 3.0
"""Time in s that the end of the first process takes to be noticed, once its connections are closed."""


@dataclass(frozen=True)
class Failure:
    """What ended a process.

    Attributes:
        message: For a person.
        code: Exit code.
        lost: Whether it only lost the connection to another process, whose end is then the cause.
    """

    message: str
    code: int
    lost: bool = False


@contextmanager
def announced(folder: Path) -> Iterator[None]:
    """Let processes that are started while the block runs leave their failures in a folder."""
    os.environ.update({_FOLDER: str(folder), _PARENT: str(os.getpid())})
    try:
        yield
    finally:
        del os.environ[_FOLDER], os.environ[_PARENT]


def is_started_by_another() -> bool:
    """Whether another process of the same run has started this one, and speaks for it."""
    return _FOLDER in os.environ


def is_later_rank() -> bool:
    """Whether this is a further process of a run, whoever has started it (Lightning, torchrun, SLURM)."""
    ranks = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    return any(os.environ.get(name, "0") not in ("0", "") for name in ranks)


def is_silent() -> bool:
    """Whether this is not the first process of its machine, so that it shows no progress."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def leave(failure: Failure) -> None:
    """Leave what ends this process to the one that started it."""
    try:
        put(Path(os.environ[_FOLDER]), int(os.environ["LOCAL_RANK"]), failure)
    except OSError:
        return  # The first process has ended and taken the folder with it; or it sees the exit code alone.
    if failure.lost:
        time.sleep(_ORPHANED)  # Where it was the first process that died, `end_with_parent` says so.


def put(folder: Path, local_rank: int, failure: Failure) -> Path:
    """Write a failure of a process into a folder, whole or not at all, and return its file."""
    path = _path(folder, local_rank)
    path.with_suffix(".part").write_text(json.dumps(asdict(failure)), encoding="utf-8")
    return path.with_suffix(".part").replace(path)


def left(folder: Path, local_rank: int) -> Failure | None:
    """Return what a process has left, None where it has left nothing."""
    path = _path(folder, local_rank)
    return Failure(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def end_with_parent() -> None:
    """End this process as soon as the one that started it is gone, by whatever it was ended."""
    if is_started_by_another() and os.name == "posix":
        threading.Thread(target=_watch_parent, args=(int(os.environ[_PARENT]),), daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    if os.environ["LOCAL_RANK"] == "1":  # One of them speaks.
        print(
            "error: the first process of this run was killed, as the system does when memory runs out; the "
            "others have ended, too. Training continues with --resume.",
            file=sys.stderr,
            flush=True,
        )
    os._exit(1)


def _path(folder: Path, local_rank: int) -> Path:
    return folder / f"{local_rank}.json"
