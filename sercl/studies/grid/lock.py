"""One run at a time in the folder of a study."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sercl.errors import OutputError

NAME = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder while the block runs; the system lets go of it when the process dies.

    Raises:
        OutputError: Where another process holds it, or it cannot be written.
    """
    lock = FileLock(folder / NAME)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise OutputError(
            f"{folder}: another `sercl cross-eval` is running into this folder. Wait for its end, or choose "
            "another --out."
        ) from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot be locked ({error.strerror}). Choose another --out.") from error
    try:
        yield
    finally:
        lock.release()
