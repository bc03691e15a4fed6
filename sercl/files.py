"""Atomic writing of files: a reader never sees half a file, and a crash leaves the old one; and CSV."""

import csv
import errno
import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from sercl.errors import OutputError, SerclError, UsageError, causes

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

_FULL = {errno.ENOSPC, errno.EDQUOT}
_UNWRITABLE = {errno.EIO, errno.EROFS, errno.EFBIG, errno.ESTALE}
_TEMPORARY = re.compile(r"\..*-[0-9a-f]{16}(\.[^.]*)?", re.DOTALL)
_MOST_STEM = 40
"""Characters of a name that are used in the name of its temporary file: names have at most 255 bytes."""

_held: set[int] = set()
"""Descriptors of temporary files that are being written; the lock on each shows that its writer is alive."""


def cache_folder() -> Path:
    """Return the folder of sercl in the user's cache, below `$XDG_CACHE_HOME` or `~/.cache`."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG base directory specification says that relative paths must be ignored.
    home = Path(cache) if Path(cache).is_absolute() else Path("~/.cache").expanduser()
    return home / "sercl"


def at_home(path: Path | str) -> Path:
    """Return a path with a leading `~` replaced by the home folder, unchanged if there is no such home."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises there


def is_file(path: Path) -> bool:
    """Return whether a file exists, for any path: names that no file can have (too long, with NUL) do not."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_dir(path: Path) -> bool:
    """Return whether a folder exists, for any path, as `is_file`."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def exists(path: Path) -> bool:
    """Return whether a file or folder exists, for any path, as `is_file`."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def is_temporary(path: Path) -> bool:
    """Return whether a file has the name of those that are written before they replace another."""
    return _TEMPORARY.fullmatch(path.name) is not None


def is_below(folder: Path, path: Path | str) -> bool:
    """Return whether a path, joined to a folder, stays inside of it, also through links."""
    try:
        return (folder / path).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False


def ensure_folder(folder: Path) -> None:
    """Make a folder and its parents; that of sercl in the user's cache is the user's alone (0700).

    Raises:
        OSError: If it cannot be made.
    """
    for own in (cache_folder(), Path("~/.cache/sercl").expanduser()):
        if folder.is_relative_to(own) and not own.exists():
            own.parent.mkdir(parents=True, exist_ok=True)
            own.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def atomic_path(path: Path | str, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which replaces `path` when the block ends without error.

    The temporary file keeps the suffix of `path`, since many writers choose their format by it. Missing
    parent folders are created. If the block raises, the temporary file is removed and `path` is unchanged.
    Leftovers of killed writers of the same file are removed.

    Args:
        path: The file to write.
        sync: Whether to wait until the file is on the disk, so that it survives a power failure.

    Raises:
        OutputError: If the folder cannot be created or written, its disk is full, or `path` is a folder.
    """
    target = Path(path)
    with _temporary_beside(target) as temporary:
        with naming_full_disk(target):
            yield temporary
        _take_place(temporary, target, sync)


@contextmanager
def open_text(path: Path | str) -> Iterator[TextIO]:
    r"""Yield a text file (UTF-8, line ends unchanged), which replaces `path` when the block succeeds.

    Bytes of file names that are not UTF-8 become escapes such as "\udce9".

    Raises:
        OutputError: If the file cannot be written.
    """
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        yield file


def write_text(path: Path | str, text: str) -> None:
    r"""Write `text` to `path` atomically, as `open_text` does.

    Raises:
        OutputError: If the file cannot be written.
    """
    with open_text(path) as file:
        file.write(text)


_ENDS = 262_144
"""Bytes at the beginning and at the end of a file by which its kind is recognised."""


def check_replaceable(path: Path, what: str, is_earlier: Callable[[Path], bool]) -> None:
    """Refuse to replace a file that the user names unless it is empty or an earlier output of its kind.

    Args:
        path: The file to write; it need not exist.
        what: The output ("predictions of `sercl predict`").
        is_earlier: Whether an existing file is such an output.

    Raises:
        UsageError: For any other file.
    """
    if not is_file(path):
        return
    try:
        replaceable = path.stat().st_size == 0 or is_earlier(path)
        found = _summary(path)
    except OSError as error:
        replaceable, found = False, f"cannot be read ({error.strerror})"
    if not replaceable:
        raise UsageError(
            f"{path}: exists and would be lost: it {found}, which is not {what}. Give another name, "
            "or remove it."
        )


def contains(pattern: str, path: Path) -> bool:
    r"""Return whether a regular expression matches in the beginning or end of a file."""
    with path.open("rb") as file:
        content = file.read(_ENDS)
        file.seek(max(len(content), path.stat().st_size - _ENDS))
        content += file.read(_ENDS)
    return re.search(pattern.encode(), content) is not None


def _summary(path: Path) -> str:
    with path.open("rb") as file:
        lines = file.read(200).decode("utf-8", errors="replace").splitlines() or [""]
    if lines[0].isprintable() and "\ufffd" not in lines[0]:
        return f"begins with {lines[0][:60]!r}"
    return f"is a binary file of {_size(path.stat().st_size)}"


_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def csv_cell(value: Any) -> Any:
    """Return a cell of CSV that no spreadsheet takes for a formula: such text begins with an apostrophe.

    Names of files, speakers and labels are anybody's, and a formula may run a program or send other cells
    away. Numbers remain as they are; `from_csv_cell` takes the apostrophe off again.
    """
    is_formula = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"'{value}" if is_formula else value


def from_csv_cell(text: str) -> str:
    """Return the text that `csv_cell` made a cell of."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


class CsvWriter:
    """Writes rows of CSV with `csv_cell`, with line ends of Unix.

    Args:
        file: Where to write.
        delimiter: Between cells.
        quote_all: Whether to quote every cell.
        line_end: Ends a row.
    """

    def __init__(
        self, file: Any, delimiter: str = ",", quote_all: bool = False, line_end: str = "\n"
    ) -> None:
        self._writer = csv.writer(
            file,
            delimiter=delimiter,
            lineterminator=line_end,
            quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL,
        )

    def writerow(self, cells: Iterable[Any]) -> None:
        """Write a row."""
        self._writer.writerow(map(csv_cell, cells))

    def writerows(self, rows: Iterable[Iterable[Any]]) -> None:
        """Write rows."""
        for row in rows:
            self.writerow(row)


@contextmanager
def naming_full_disk(target: Path) -> Iterator[None]:
    """Add to errors of a full disk what was written and where, which the system's message lacks.

    Args:
        target: The file or folder that the block writes.

    Raises:
        OutputError: Instead of the error of a full or broken disk; other errors are unchanged.
    """
    try:
        yield
    except SerclError:
        raise
    except (OSError, RuntimeError, ValueError) as error:  # the last from Lightning's loggers
        if (message := _disk_message(target, error)) is None:
            raise
        raise OutputError(message) from error


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Make errors of a block that writes into a folder say if its disk is full, or if the folder is gone.

    A writing thread, such as TensorBoard's, does not report a full or broken disk: its error is raised by the
    next write.

    Raises:
        OutputError: Instead of the system's error; other errors are unchanged.
    """
    try:
        with naming_full_disk(folder), _quiet_threads():
            yield
    except SerclError:
        raise
    except OSError as error:
        if folder.is_dir():
            raise
        raise gone(folder) from error


@contextmanager
def _quiet_threads() -> Iterator[None]:
    before = threading.excepthook

    def hook(caught: threading.ExceptHookArgs) -> None:
        if not (isinstance(caught.exc_value, OSError) and caught.exc_value.errno in _FULL | _UNWRITABLE):
            before(caught)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


def gone(folder: Path) -> OutputError:
    """Return the error for a folder that no longer exists."""
    return OutputError(
        f"{folder}: was removed or moved while the run was writing to it. Run again, into a folder "
        "that stays."
    )


def to_disk(path: Path) -> None:
    """Wait until a file, or the list of files of a folder, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: Path, seconds: float = 0.0) -> None:
    """Remove the temporary files that killed processes left below a folder, but none in use.

    Args:
        folder: The folder; it need not exist.
        seconds: Minimum time since they were last written.
    """
    for parent, _, names in os.walk(folder):
        for path in (Path(parent, name) for name in names if _TEMPORARY.fullmatch(name)):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime >= seconds:
                    _remove_abandoned(path)


@contextmanager
def _temporary_beside(target: Path) -> Iterator[Path]:
    """Yield a new file beside the target, which is locked while the block runs and removed after it."""
    if target.is_dir():
        raise OutputError(f"{target}: is a folder; give the path of a file.")
    try:
        ensure_folder(target.parent)
        _remove_leftovers_of(target)
        temporary, handle = _created(target)
    except OSError as error:
        raise _unwritable(target, error) from error
    _held.add(handle)
    try:
        yield temporary
    finally:
        with suppress(OSError):  # its folder may be gone, which replacing the target reports better
            temporary.unlink()
        _held.discard(handle)
        os.close(handle)


def _created(target: Path) -> tuple[Path, int]:
    # Not tempfile's, whose files only their owner can read: results may be shared like any other file.
    while True:
        temporary = target.with_name(f"{_mark(target)}{secrets.token_hex(8)}{target.suffix}")
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o666)
        if _lock(handle) is not False and temporary.exists():
            return temporary, handle
        os.close(handle)  # another process removed it as a leftover before it was locked


def _mark(target: Path) -> str:
    return f".{target.stem[:_MOST_STEM]}-"


def _remove_leftovers_of(target: Path) -> None:
    ours = re.compile(rf"{re.escape(_mark(target))}[0-9a-f]{{16}}{re.escape(target.suffix)}")
    for name in filter(ours.fullmatch, _temporaries_in(target.parent)):
        _remove_abandoned(target.with_name(name))


_listed: dict[Path, tuple[str, ...]] = {}


def _temporaries_in(folder: Path) -> tuple[str, ...]:
    """Return the temporary files that were in a folder when this process first listed it, which is slow."""
    absolute = folder.absolute()
    if absolute not in _listed:
        _listed[absolute] = tuple(filter(_TEMPORARY.fullmatch, os.listdir(folder)))  # noqa: PTH208 - names alone
    return _listed[absolute]


def _remove_abandoned(path: Path) -> None:
    """Remove a temporary file unless its writer is alive; the system unlocks it when the process ends."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDWR)
        try:
            if _lock(handle):
                path.unlink(missing_ok=True)
        finally:
            os.close(handle)


def _lock(handle: int) -> bool | None:
    """Lock a file; return False if another process has locked it, None if the file system has no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _let_go() -> None:
    """Close the parent's files in a forked child, which would keep them locked after the parent's end."""
    for handle in _held:
        with suppress(OSError):
            os.close(handle)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def _take_place(temporary: Path, target: Path, sync: bool) -> None:
    try:
        if sync:
            to_disk(temporary)
        temporary.replace(target)
        if sync:
            to_disk(target.parent)
    except OSError as error:
        raise _unwritable(target, error) from error


def _disk_message(target: Path, error: BaseException) -> str | None:
    """Return the message for a disk error, None for another error."""
    failed = [item for item in causes(error) if isinstance(item, OSError)]
    for cause in failed:
        named = isinstance(cause.filename, str) and not _is_ours(cause)
        if cause.errno in _FULL:
            return _full(Path(cause.filename) if named else _full_one(target), cause.strerror or str(cause))
        if cause.errno in _UNWRITABLE and not (named and cause is error):
            return str(_unwritable(Path(cause.filename) if named else target, cause))
    # Writers in C++, such as torch's, only report that they failed.
    if not failed and isinstance(error, RuntimeError) and _free(target) == 0:
        return _full(target, os.strerror(errno.ENOSPC))
    return None


def _full_one(target: Path) -> Path:
    """Return the target, or the folder for temporary files if that is on the full disk."""
    temporary = Path(tempfile.gettempdir(), "x")
    return temporary.parent if _free(target) and not _free(temporary) else target


def _is_ours(error: OSError) -> bool:
    return bool(_TEMPORARY.fullmatch(Path(error.filename).name))


def _full(target: Path, reason: str) -> str:
    return (
        f"{target}: cannot be written ({reason}); {_disk(target)}. {_previous(target)}"
        "Free some space, or choose a folder on another disk, and run again."
    )


def _previous(target: Path) -> str:
    return "The previous file is unchanged. " if is_file(target) else ""


def _disk(target: Path) -> str:
    existing = _existing(target)
    usage = shutil.disk_usage(existing)
    mount = next(each for each in (existing, *existing.parents) if os.path.ismount(each))
    return f"the disk at {mount} has {_size(usage.free)} of {_size(usage.total)} free"


def _size(count: int) -> str:
    value, units = float(count), ["B", "kB", "MB", "GB"]
    while value >= 1000 and units[1:]:
        value, units = value / 1000, units[1:]
    return f"{value:.3g} {units[0]}" if value < 1000 else f"{value / 1000:.3g} TB"


def _free(target: Path) -> int:
    return shutil.disk_usage(_existing(target)).free


def _existing(target: Path) -> Path:
    """Return the nearest parent folder that exists."""
    return next(each for each in target.absolute().resolve().parents if each.is_dir())


def _unwritable(target: Path, error: OSError) -> OutputError:
    if error.errno in _FULL:
        return OutputError(_full(target, error.strerror or str(error)))
    if error.errno == errno.ENOENT and not target.parent.is_dir():
        return OutputError(f"{target}: cannot be written: its folder was removed or moved meanwhile.")
    reason = error.strerror or str(error)
    return OutputError(
        f"{target}: cannot be written ({reason}). Choose another folder, or make this one writable."
    )
