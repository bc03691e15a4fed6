"""Faults at the n-th call by which a process changes files below its working folder, as SQLite is tested.

Such calls are: opening for writing, writing, syncing, renaming, removing, and creating or removing a folder.
Calls by Python code are seen, whatever library makes them; writes in C++ (shards by Arrow, the index by
SQLite) are seen only where they open, sync or rename a file through Python.
"""

import builtins
import errno
import io
import os
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

KILL, POWER, FULL, BROKEN = "killed", "power cut", "disk full", "disk error"
KINDS = (KILL, POWER, FULL, BROKEN)
"""What happens at a call: `kill -9`; the same, and everything that was not synced is lost; the disk is full
from then on; a single call fails (EIO)."""

_PATHS = {
    "os.rename": 2,
    "os.remove": 1,
    "os.mkdir": 1,
    "os.rmdir": 1,
    "os.truncate": 1,
    "os.link": 2,
    "os.symlink": 2,
}
"""Audit event -> number of paths among its arguments."""
_FREEING = {"os.remove", "os.rmdir"}
"""What a full disk allows."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_NEVER = 2**62


@dataclass(frozen=True)
class Fault:
    """What happens to a process, and at which call, counted from 1."""

    kind: str
    call: int = _NEVER


class Disk:
    """The calls of this process that change files below a folder; installing it cannot be undone.

    Args:
        folder: The folder.
        fault: What happens at which call; None to count only.

    Attributes:
        calls: Their number so far.
    """

    def __init__(self, folder: Path, fault: Fault | None = None) -> None:
        self.calls = 0
        self._folder = os.path.realpath(folder)
        self._fault = fault or Fault(KILL)
        self._begin = time.time_ns()
        self._synced: dict[int, int] = {}
        self._own = threading.local()

    def install(self) -> None:
        """See and disturb all calls from now on."""
        sys.addaudithook(self._audit)
        sync = os.fsync

        def fsync(handle: Any) -> None:
            number = handle if isinstance(handle, int) else handle.fileno()
            self._call("os.fsync", _path_of(number))
            sync(handle)
            if not os.path.isdir(path := _path_of(number)):  # noqa: PTH112
                self._synced[os.fstat(number).st_ino] = _checksum(path)

        os.fsync = fsync
        whole = io.open

        def opened(
            file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None,
            newline: Any = None, closefd: bool = True, opener: Any = None,
        ) -> Any:  # fmt: skip
            if isinstance(file, int) or not set(mode) & set("wax+") or not self._is_ours(file):
                return whole(file, mode, buffering, encoding, errors, newline, closefd, opener)
            raw = _Counted(file, mode.replace("b", "").replace("t", ""), closefd, opener, self._write)
            if buffering == 0:
                return raw
            buffer = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            if "b" in mode:
                return buffer
            text = io.TextIOWrapper(buffer, encoding, errors, newline, line_buffering=buffering == 1)
            text.mode = mode  # type: ignore[misc]
            return text

        io.open = builtins.open = opened  # type: ignore[assignment]

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = args
            if isinstance(flags, int) and flags & _WRITING and not isinstance(path, int):
                self._call(event, path)
        elif event in _PATHS:
            self._call(event, *args[: _PATHS[event]])

    def _write(self, path: Any, half: Callable[[], object]) -> None:
        """Count a write; a fault comes when half of it is done."""
        self._call("write", path, half=half)

    def _call(self, event: str, *paths: Any, half: Callable[[], object] = lambda: None) -> None:
        if getattr(self._own, "busy", False) or not any(map(self._is_ours, paths)):
            return
        self._own.busy = True
        try:
            self.calls += 1
            self._disturb(event, paths[0], half)
        finally:
            self._own.busy = False

    def _disturb(self, event: str, path: Any, half: Callable[[], object]) -> None:
        kind, call = self._fault.kind, self._fault.call
        if self.calls == call and kind in (KILL, POWER):
            half()
            self._die(kind == POWER)
        if kind == FULL and self.calls >= call and event not in _FREEING:
            self._refuse(errno.ENOSPC, event, path, half)
        if kind == BROKEN and self.calls == call:
            self._refuse(errno.EIO, event, path, half)

    def _refuse(self, number: int, event: str, path: Any, half: Callable[[], object]) -> NoReturn:
        if event in ("write", "os.fsync"):  # which name no file
            half()
            raise OSError(number, os.strerror(number))
        raise OSError(number, os.strerror(number), os.fsdecode(path))

    def _die(self, power: bool) -> None:
        for parent, _, names in os.walk(self._folder) if power else ():
            for path in (os.path.join(parent, name) for name in names):  # noqa: PTH118 - as fast as can be
                found = os.stat(path)  # noqa: PTH116
                if found.st_ctime_ns >= self._begin and self._synced.get(found.st_ino) != _checksum(path):
                    os.truncate(path, 0)
        os.kill(os.getpid(), signal.SIGKILL)

    def _is_ours(self, path: Any) -> bool:
        if path is None or isinstance(path, int):
            return False
        return os.path.abspath(os.fsdecode(path)).startswith(self._folder + os.sep)  # noqa: PTH100


def _path_of(handle: int) -> str:
    return os.readlink(f"/proc/self/fd/{handle}")  # noqa: PTH115


def _checksum(path: str) -> int:
    handle = os.open(path, os.O_RDONLY)
    try:
        return zlib.crc32(os.read(handle, os.fstat(handle).st_size))
    finally:
        os.close(handle)


class _Counted(io.FileIO):
    """A file whose writes are counted."""

    def __init__(self, file: Any, mode: str, closefd: bool, opener: Any, count: Callable[..., None]) -> None:
        self._count: Callable[..., None] = lambda *_: None
        super().__init__(file, mode, closefd, opener)
        self._count = count

    def write(self, content: Any) -> int:
        view = memoryview(content).cast("B")
        self._count(self.name, lambda: super(_Counted, self).write(view[: len(view) // 2]))
        return super().write(view)
