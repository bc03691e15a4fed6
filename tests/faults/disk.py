"""Fault injection at the n-th call by which a process changes files below its folder, as SQLite is tested.

Such calls are: opening for writing, writing, syncing, renaming, removing, and creating or removing a folder.
Calls by Python code are seen, whatever library makes them; writes in C++ (shards by Arrow, the index by
SQLite) are seen only where they open, sync or rename a file through Python.
"""

import builtins
import errno
import io
import json
import os
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

KILL, POWER, FULL, BROKEN = "kill -9", "power cut", "disk full", "I/O error"
KINDS = (KILL, POWER, FULL, BROKEN)
"""What happens at a call: `kill -9`; the same, and everything that was not synced is lost; the disk is full
from then on (ENOSPC); that call alone fails (EIO)."""

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
    """An error of the disk, `FULL` or `BROKEN`, and at which call it comes, counted from 1."""

    kind: str
    call: int


@dataclass(frozen=True)
class Pauses:
    """Where a process stops itself (SIGSTOP) until it is told to go on (SIGCONT).

    While it is stopped, its folder is as `kill -9` would leave it: of a write, half is done.

    Attributes:
        calls: At which calls, counted from 1.
        told: A file outside of the folder to which it writes, before each stop, a JSON list: the number of
            the call, then the files (relative to the folder) with content that was not synced to the disk.
    """

    calls: frozenset[int]
    told: Path


class Disk:
    """The calls of this process that change files below a folder; installing it cannot be undone.

    Args:
        folder: The folder.
        fault: Which error comes, if any.
        pauses: Where the process stops, if anywhere.

    Attributes:
        calls: Their number so far.
    """

    def __init__(self, folder: Path, fault: Fault | None = None, pauses: Pauses | None = None) -> None:
        self.calls = 0
        self._folder = os.path.realpath(folder)
        self._fault = fault or Fault(BROKEN, _NEVER)
        self._pauses = pauses or Pauses(frozenset(), Path())
        self._begin = time.time_ns()
        self._synced: dict[int, int] = {}
        self._own = threading.local()
        self._counting = threading.Lock()

    def install(self) -> None:
        """Count all calls from now on, and inject the fault."""
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
            with self._counting:
                self.calls += 1
                number = self.calls
            self._inject(number, event, paths[0], half)
            if number in self._pauses.calls:
                half()
                self._pause(number)
        finally:
            self._own.busy = False

    def _inject(self, number: int, event: str, path: Any, half: Callable[[], object]) -> None:
        kind, call = self._fault.kind, self._fault.call
        if kind == FULL and number >= call and event not in _FREEING:
            self._refuse(errno.ENOSPC, event, path, half)
        if kind == BROKEN and number == call:
            self._refuse(errno.EIO, event, path, half)

    def _pause(self, number: int) -> None:
        unsynced = [os.path.relpath(path, self._folder) for path in self._unsynced()]
        self._pauses.told.write_text(json.dumps([number, *unsynced]), encoding="utf-8")
        # To this thread, which then does nothing more; the others stop with it.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    def _refuse(self, number: int, event: str, path: Any, half: Callable[[], object]) -> NoReturn:
        if event in ("write", "os.fsync"):  # which name no file
            half()
            raise OSError(number, os.strerror(number))
        raise OSError(number, os.strerror(number), os.fsdecode(path))

    def _unsynced(self) -> Iterator[str]:
        """Yield the files of this process's with content that was not synced to the disk."""
        for parent, _, names in os.walk(self._folder):
            for path in (os.path.join(parent, name) for name in names):  # noqa: PTH118 - as fast as can be
                try:
                    found = os.stat(path)  # noqa: PTH116
                except FileNotFoundError:  # removed by another thread
                    continue
                if found.st_ctime_ns >= self._begin and self._synced.get(found.st_ino) != _checksum(path):
                    yield path

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
        view, done = memoryview(content).cast("B"), 0

        def half() -> None:
            nonlocal done
            done = super(_Counted, self).write(view[: len(view) // 2])

        self._count(self.name, half)
        return done + super().write(view[done:])
