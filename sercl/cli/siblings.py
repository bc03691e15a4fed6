"""Failure messages between the processes of one run; uses only the standard library.

The first process starts the others with the same command line. Only it reports to the user: the others write
what ended them into a folder named in their environment.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from sercl.errors import UsageError

_COUNTS = (
    *("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_PORT"),
    *("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS", "JSM_NAMESPACE_RANK"),
)
_FOLDER, _PARENT = "SERCL_FAILURES", "SERCL_FIRST_PROCESS"
_LOOK = 0.3
"""Interval in s at which a process checks for the one that started it."""
_ORPHANED = 60.0
"""Time in s for the first process to end this one, or to be gone, once a connection is lost."""
_orphaned = threading.Lock()
"""Held by the thread that ends this process because the first one is gone."""


@dataclass(frozen=True)
class Failure:
    """What ended a process.

    Attributes:
        message: For the user.
        code: Exit code.
        lost: Whether it only lost the connection to another process, whose end is then the cause.
    """

    message: str
    code: int
    lost: bool = False


@contextmanager
def announced(folder: Path) -> Iterator[None]:
    """Make processes that are started while the block runs report failures in a folder."""
    os.environ.update({_FOLDER: str(folder), _PARENT: str(os.getpid())})
    try:
        yield
    finally:
        del os.environ[_FOLDER], os.environ[_PARENT]


def is_started_by_another() -> bool:
    """Whether another process of the same run has started this one, and reports for it."""
    return _FOLDER in os.environ


def is_later_rank() -> bool:
    """Whether this is a further process of a run, started by Lightning, torchrun or SLURM."""
    ranks = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    return any(os.environ.get(name, "0") not in ("0", "") for name in ranks)


def check_ranks() -> None:
    """Raise `UsageError` if a variable that counts processes is not a whole number."""
    for name in _COUNTS:
        if name in os.environ and not os.environ[name].isdecimal():
            raise UsageError(
                f"the environment variable {name} is {os.environ[name][:40]!r}; launchers of several "
                f"processes (torchrun, srun) set it to a whole number. Unset it: unset {name}"
            )


def is_silent() -> bool:
    """Whether this is not the first process of its machine, so that it shows no progress."""
    return os.environ.get("LOCAL_RANK", "0") != "0"


def leave(failure: Failure) -> None:
    """Report what ends this process to the one that started it."""
    try:
        put(Path(os.environ[_FOLDER]), int(os.environ["LOCAL_RANK"]), failure)
    except OSError:
        return  # The first process has ended and removed the folder; or it sees only the exit code.
    if failure.lost:
        _wait_for_first(int(os.environ[_PARENT]))


def put(folder: Path, local_rank: int, failure: Failure) -> Path:
    """Write a failure of a process into a folder atomically, and return its file."""
    path = _path(folder, local_rank)
    path.with_suffix(".part").write_text(json.dumps(asdict(failure)), encoding="utf-8")
    return path.with_suffix(".part").replace(path)


def left(folder: Path, local_rank: int) -> Failure | None:
    """Return the failure that a process has reported, None if none."""
    path = _path(folder, local_rank)
    return Failure(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def end_with_parent() -> None:
    """End this process as soon as the one that started it is gone, for whatever reason."""
    if is_started_by_another() and os.name == "posix":
        threading.Thread(target=_watch_parent, args=(int(os.environ[_PARENT]),), daemon=True).start()


def _wait_for_first(parent: int) -> None:
    """Wait for the first process to end this one; if it has died, report that."""
    deadline = time.monotonic() + _ORPHANED
    with suppress(KeyboardInterrupt):  # how it asks this one to end, which it is about to
        while time.monotonic() < deadline and os.getppid() == parent:
            time.sleep(_LOOK)
    if os.getppid() != parent:
        _end_orphaned()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    _end_orphaned()


def _end_orphaned() -> NoReturn:
    _orphaned.acquire()
    if os.environ["LOCAL_RANK"] == "1":  # One of them reports.
        print(
            "error: the first process of this run was killed, as the system does when memory runs out; the "
            "others have ended, too. Training continues with --resume.",
            file=sys.stderr,
            flush=True,
        )
    os._exit(1)


def _path(folder: Path, local_rank: int) -> Path:
    return folder / f"{local_rank}.json"


WAIT = 5.0
"""Time in s within which processes with the same failure fail."""
_LOOK_AGAIN = 0.05
_SPOKEN = "spoken"


@dataclass(frozen=True)
class Together:
    """Position of this process among those of its run.

    Args:
        folder: Folder in which processes of one machine report failures.
        rank: Among all processes.
        local_rank: On this machine.
        count: Number of processes on this machine, None if unknown.
    """

    folder: Path
    rank: int
    local_rank: int
    count: int | None

    @classmethod
    def found(cls) -> "Together | None":
        """Return the position of this process among those of torchrun or SLURM; None if it is alone."""
        for names in (_TORCHRUN, _SLURM):
            rank, local, world, *key = (os.environ.get(name, "") for name in names)
            if rank.isdecimal() and local.isdecimal() and world.isdecimal() and int(world) > 1:
                count = os.environ.get("LOCAL_WORLD_SIZE", "")
                return cls(_folder(key), int(rank), int(local), int(count) if count.isdecimal() else None)
        return None

    def to_say(self, failure: Failure) -> list[str]:
        """Return what this process reports about its failure, and those that others leave to it."""
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            return list(self._as_first(failure) if self.local_rank == 0 else self._as_other(failure))
        except OSError:  # no shared folder: then each reports for itself
            return [self._named(failure.message)]

    def _as_first(self, failure: Failure) -> Iterator[str]:
        others = self._others()
        causes = {rank: each for rank, each in others.items() if not each.lost}
        if not failure.lost or not (causes or (self.folder / _SPOKEN).exists()):
            yield self._named(failure.message)
        for rank, each in sorted(causes.items()):
            if each.message != failure.message:
                yield f"rank {self.rank + rank}: {each.message}"
        import shutil

        shutil.rmtree(self.folder, ignore_errors=True)

    def _others(self) -> dict[int, Failure]:
        """Remove and return the failures of the other processes by local rank, to report them here."""
        found: dict[int, Failure] = {}
        deadline = time.monotonic() + WAIT
        while True:
            for path in self.folder.glob("*.json"):
                local_rank = int(path.stem)
                if (failure := left(self.folder, local_rank)) is not None and _taken(path):
                    found[local_rank] = failure
            is_over = len(found) + 1 == self.count or (self.folder / _SPOKEN).exists()
            if is_over or time.monotonic() >= deadline:
                return found
            time.sleep(_LOOK_AGAIN)

    def _as_other(self, failure: Failure) -> Iterator[str]:
        path = put(self.folder, self.local_rank, failure)
        deadline = time.monotonic() + WAIT
        while path.exists() and time.monotonic() < deadline:
            time.sleep(_LOOK_AGAIN)
        if not _taken(path) or (failure.lost and (self.folder / _SPOKEN).exists()):
            return
        (self.folder / _SPOKEN).touch()
        yield self._named(failure.message)

    def _named(self, message: str) -> str:
        return f"rank {self.rank}: {message}" if self.rank else message


_TORCHRUN = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT")
_SLURM = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NTASKS", "SLURM_JOB_ID", "SLURM_STEP_ID")


def _folder(key: list[str]) -> Path:
    """Return the folder of one run, shared only by its processes on this machine."""
    import hashlib  # here, like the next one: most commands need neither
    import tempfile

    parts = [
        *key,
        os.environ.get("TORCHELASTIC_RESTART_COUNT", ""),
        str(os.getppid() if not any(key) else ""),
    ]
    user = os.getuid() if hasattr(os, "getuid") else ""
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"sercl-{user}-{name}"


def _taken(path: Path) -> bool:
    """Remove a failure; False if another process was faster and reports it."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
