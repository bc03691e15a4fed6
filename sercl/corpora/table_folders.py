"""Folders whose files a table may name: it may come from anybody, and what it names is read and copied."""

import hashlib
import os
import shlex
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from sercl.errors import ManifestError, OutputError, SerclWarning
from sercl.files import at_home, atomic_path, cache_folder

VARIABLE = "SERCL_ALLOW_FOLDERS"
"""Environment variable with folders, separated as in PATH, whose files any table may name."""


def check_folders(table: Path, files: Mapping[Path, int | None], *folders: Path) -> None:
    """Raise `ManifestError` for a file that is not below one of the folders in which a table may name files.

    Such are also the folders in the variable `SERCL_ALLOW_FOLDERS`, and those that `remember_folders` stored
    for this table. Links below any of them are followed, since only who may write there can make one.

    Args:
        table: The table, or the folder of several.
        files: Files that it names -> line, None if unknown.
        folders: Folders in which it may name files; first the one that the message names.
    """
    outside = _outside(files, [*folders, *_of_the_user(), *_remembered(table)])
    if outside:
        first = next(iter(outside.values()))
        needed = os.pathsep.join(map(str, _covering(outside)))
        raise ManifestError(
            table,
            files[first],
            f"names {str(first)!r}, outside of {folders[0]}. A table from somebody else could name any of "
            "your files. If you trust it, allow the folder, in this shell or in its profile: "
            f"export {VARIABLE}={shlex.quote(needed)}",
        )


def lies_in(folder: Path, roots: Iterable[Path]) -> bool:
    """Return whether a folder is one of some others, or below one, in any spelling of either."""
    target = Path(os.path.realpath(folder))
    # After a link, `..` leads to the parent of its target, so that such a path says nothing as it is written.
    own = [target] if ".." in folder.parts else [target, _absolute(folder)]
    return any(
        each.is_relative_to(root)
        for written in roots
        for root in (_absolute(written), Path(os.path.realpath(written)))
        for each in own
    )


def remember_folders(table: Path, files: Iterable[Path]) -> None:
    """Store that a table which sercl has written may name files where it does, and no longer where it did.

    Where that cannot be stored, a warning says what reading the table needs.

    Args:
        table: The table, just written.
        files: Files that it names.
    """
    outside = _outside(dict.fromkeys(files), [table.parent])
    folders, record = _covering(outside), _record(table)
    try:
        if folders:
            with atomic_path(record) as temporary:
                temporary.write_bytes(b"\0".join(map(os.fsencode, folders)))
        else:
            record.unlink(missing_ok=True)
    except (OutputError, OSError) as error:
        allowed = shlex.quote(os.pathsep.join(map(str, folders)))
        text = f"to read {table}, {VARIABLE}={allowed} must be set, since that cannot be stored ({error})"
        warnings.warn(text, SerclWarning, stacklevel=2)


def _outside(files: Mapping[Path, object], roots: Collection[Path]) -> dict[Path, Path]:
    """Return folder -> a file in it, for the folders that are not below any of some others."""
    folders: dict[Path, Path] = {}
    for file in files:
        folders.setdefault(file.parent, file)
    return {folder: file for folder, file in folders.items() if not lies_in(folder, roots)}


def _of_the_user() -> Iterator[Path]:
    return map(at_home, filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)))


def _remembered(table: Path) -> list[Path]:
    try:
        stored = _record(table).read_bytes()
    except OSError:
        return []
    return [Path(os.fsdecode(each)) for each in stored.split(b"\0")]


def _record(table: Path) -> Path:
    """Return the file for a table's folders, in the user's cache: in the table, anybody could write them."""
    name = hashlib.sha256(os.fsencode(os.path.realpath(table))).hexdigest()
    return cache_folder() / "tables" / name[:32]


def _covering(folders: Iterable[Path]) -> list[Path]:
    """Return a few folders that contain all given ones, but neither whole disks nor the home folder."""
    ordered = sorted({Path(os.path.realpath(folder)).parts for folder in folders})
    return [each for _, group in groupby(ordered, lambda parts: parts[0]) for each in _narrowed([*group], 1)]


def _narrowed(ordered: list[tuple[str, ...]], depth: int) -> list[Path]:
    """Return the folders that cover those in a list, which share the first `depth` parts."""
    first, last = ordered[0], ordered[-1]
    while depth < len(first) and first[: depth + 1] == last[: depth + 1]:
        depth += 1
    common = Path(*first[:depth])
    broad = depth < 3 or Path.home().is_relative_to(common)
    if not broad or depth == len(first):
        return [common]
    groups = groupby(ordered, lambda parts: parts[: depth + 1])
    return [each for _, group in groups for each in _narrowed([*group], depth + 1)]


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps `..`
