"""Writing files whole or not at all: a reader never meets half a file, a crash leaves the old one."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from sercl.errors import OutputError


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes the place of `path` when the block ends without error.

    The temporary file keeps the suffix of `path`, since many writers choose their format by it. Missing
    parent folders are made. If the block raises, the temporary file is removed and `path` stays as it was.

    Args:
        path: The file to be written.

    Raises:
        OutputError: Where the folder cannot be made or written, or `path` is a folder.
    """
    target = Path(path)
    temporary = _temporary_beside(target)
    try:
        yield temporary
        _take_place(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def open_text(path: Path | str) -> Iterator[TextIO]:
    r"""Yield a text file, UTF-8 with line ends as they are written; it takes the place of `path` as a whole.

    What is no text, a byte of a file name that is not UTF-8, becomes an escape such as "\udce9".

    Raises:
        OutputError: Where the place cannot be written.
    """
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        yield file


def write_text(path: Path | str, text: str) -> None:
    r"""Write `text` to `path` as `open_text` does, whole or not at all.

    Raises:
        OutputError: Where the place cannot be written.
    """
    with open_text(path) as file:
        file.write(text)


def _temporary_beside(target: Path) -> Path:
    if target.is_dir():
        raise OutputError(f"{target}: is a folder; give the path of a file.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Not tempfile's: its files can be read by their owner alone, and results are shared like any other.
        temporary = target.with_name(f".{target.stem}-{secrets.token_hex(8)}{target.suffix}")
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise _unwritable(target, error) from error
    return temporary


def _take_place(temporary: Path, target: Path) -> None:
    try:
        temporary.replace(target)
    except OSError as error:
        raise _unwritable(target, error) from error


def _unwritable(target: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"{target}: cannot be written ({reason}). Choose another place or free this one.")
