"""One run at a time in a folder."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from sercl.errors import OutputError
from sercl.files import writing_to

NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder while the block runs; the system unlocks it when the process dies.

    The folder is created if missing, and removed again if it is still empty.

    Args:
        folder: The folder of a run or a study.

    Raises:
        OutputError: If another process has locked it, it cannot be created or written, its disk is full, or
            it is gone when the block fails.
    """
    made = _make(folder)
    try:
        with _held(folder):
            try:
                with writing_to(folder):
                    yield
            finally:
                _remove_if_alone(folder)
    finally:
        for path in made:
            with suppress(OSError):  # if it is not empty
                path.rmdir()


def check_free(folder: Path) -> None:
    """Raise `OutputError` if another process has locked a folder, or it cannot be locked."""
    with _held(folder):
        pass


def _make(folder: Path) -> list[Path]:
    """Create a folder; return all folders that were created, the innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}). Choose another --out.") from error
    return missing


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / NAME)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise OutputError(
            f"{folder}: another run is writing to this folder. Wait for its end, or choose another --out."
        ) from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot be locked ({error.strerror}). Choose another --out.") from error
    try:
        yield
    finally:
        lock.release()


def _remove_if_alone(folder: Path) -> None:
    with suppress(OSError):
        if [path.name for path in folder.iterdir()] == [NAME]:
            (folder / NAME).unlink()
