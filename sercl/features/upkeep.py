"""Inspecting and cleaning up a feature store. Imports no torch."""

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sercl.errors import DamagedStoreError, FeatureError, OutputError, UnknownNameError
from sercl.features.index import is_shard
from sercl.features.shard import Shard
from sercl.features.space import FeatureSpace
from sercl.features.space_store import DESCRIPTION
from sercl.features.store import read_space, space_folders

_DAY = 86_400.0
_LEFTOVER_SECONDS = 3600.0
"""Files that are unfinished for this long are leftovers of a killed writer: writing takes seconds."""


@dataclass(frozen=True)
class SpaceInfo:
    """Content of a folder of a store.

    Attributes:
        folder: The folder.
        space: Its space; None if its description is damaged or of another version.
        shards: Number of files with rows.
        rows: Number of rows in those that can be opened.
        bytes: Size of the folder on the disk.
        used: Time of the last read or write, in s since 1970.
        damaged: Problems of its files, a message each.
    """

    folder: Path
    space: FeatureSpace | None
    shards: int
    rows: int
    bytes: int
    used: float
    damaged: tuple[str, ...]

    @property
    def days_unused(self) -> float:
        """Days since it was last read or written."""
        return max(0.0, time.time() - self.used) / _DAY

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {**asdict(self), "folder": str(self.folder), "days_unused": round(self.days_unused, 2)}


@dataclass(frozen=True)
class Removal:
    """A folder or file to remove, with the reason and its size in bytes."""

    path: Path
    reason: str
    bytes: int


def inspect_store(root: Path, verify: bool = False) -> list[SpaceInfo]:
    """Return the content of each folder of a store, the largest first; damage is reported, not raised.

    Args:
        root: Folder of the store.
        verify: Whether every row is read and compared with its checksum.
    """
    found = [_inspect(folder, verify) for folder in space_folders(root)]
    return sorted(found, key=lambda info: -info.bytes)


def find_unwanted(
    root: Path, older_than: float | None = None, encoder: str | None = None, everything: bool = False
) -> list[Removal]:
    """Return the folders of a store to remove.

    Args:
        root: Folder of the store.
        older_than: Only those that have not been used for this many days.
        encoder: Only those of an encoder of this name.
        everything: All folders, of whatever version.

    Raises:
        UnknownNameError: For an encoder without hidden states in the store.
    """
    infos = inspect_store(root)
    names = {info.space.encoder for info in infos if info.space}
    if names and encoder is not None and encoder not in names:
        raise UnknownNameError("encoder in the feature store", encoder, sorted(names))
    found = []
    for info in infos:
        name = info.space.encoder if info.space else None
        if everything:
            found.append(Removal(info.folder, "all", info.bytes))
        elif (encoder is None or name == encoder) and info.days_unused >= (older_than or 0.0):
            age = f"unused for {info.days_unused:.0f} days"
            found.append(Removal(info.folder, age if encoder is None else f"of {encoder}, {age}", info.bytes))
    return found


def find_damaged(root: Path) -> list[Removal]:
    """Return what is damaged: files that do not match their checksums, and leftovers of killed writers."""
    return [removal for folder in space_folders(root) for removal in _damaged(folder)]


def remove(removals: list[Removal]) -> None:
    """Remove folders and files.

    Raises:
        OutputError: For the first that cannot be removed.
    """
    for removal in removals:
        try:
            if removal.path.is_dir():
                _remove_folder(removal.path)
            else:
                removal.path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{removal.path}: cannot be removed ({error.strerror or error}).") from error


def _remove_folder(folder: Path) -> None:
    # Renamed first, so that no process sees half a folder.
    gone = folder.with_name(f".{folder.name}-removed")
    shutil.rmtree(gone, ignore_errors=True)  # left by an interrupted removal
    folder.rename(gone)
    shutil.rmtree(gone)


def _inspect(folder: Path, verify: bool) -> SpaceInfo:
    damaged: list[str] = []
    space = None
    try:
        space = read_space(folder)
    except FeatureError as error:
        damaged.append(str(error))
    shards = _shards(folder)
    rows = 0
    for path in shards:
        try:
            rows += _rows(path, folder.name, verify)
        except DamagedStoreError as error:
            damaged.append(str(error))
    return SpaceInfo(folder, space, len(shards), rows, _size(folder), _used(folder), tuple(damaged))


def _rows(path: Path, space: str, verify: bool) -> int:
    shard = Shard(path, space)
    if verify:
        shard.verify()
    return len(shard)


def _damaged(folder: Path) -> Iterator[Removal]:
    try:
        read_space(folder)
    except DamagedStoreError as error:
        if (folder / DESCRIPTION).exists() or _is_leftover(folder):
            yield Removal(folder, error.reason, _size(folder))
        return
    except FeatureError:
        return  # of another version, whose files are unknown
    for path in _shards(folder):
        try:
            _rows(path, folder.name, verify=True)
        except DamagedStoreError as error:
            yield Removal(path, error.reason, _size(path))
    for path in folder.glob(".*"):
        if _is_leftover(path):
            yield Removal(path, "left by a process that was killed", _size(path))


def _shards(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_shard(path.name))


def _used(folder: Path) -> float:
    description = folder / DESCRIPTION
    return (description if description.exists() else folder).stat().st_mtime


def _is_leftover(path: Path) -> bool:
    with suppress(FileNotFoundError):  # finished just now
        return time.time() - path.stat().st_mtime > _LEFTOVER_SECONDS
    return False


def _size(path: Path) -> int:
    total = 0
    for file in path.iterdir() if path.is_dir() else [path]:
        with suppress(FileNotFoundError):  # a temporary file that was just renamed
            total += file.stat().st_size
    return total
