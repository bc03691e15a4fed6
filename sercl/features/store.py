"""The feature store: a folder with one folder per space. Imports no torch."""

import os
import re
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

from sercl.documents import read_json
from sercl.errors import DamagedStoreError, FeatureError
from sercl.features.space import FeatureSpace
from sercl.features.space_store import DESCRIPTION, FORMAT, SpaceStore

_NAME = re.compile("[0-9a-f]{32}")


class StoredSpace(NamedTuple):
    """A folder that may have rows of a space, and the positions of its hidden states in each row."""

    rows: SpaceStore
    positions: tuple[int, ...]


class FeatureStore:
    """Hidden states of frozen encoders by space and audio.

    Args:
        root: Folder of the store; created when something is first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._temporary: TemporaryDirectory[str] | None = None

    @classmethod
    def temporary(cls) -> Self:
        """Return a store in a temporary folder, which is deleted with the object."""
        folder = TemporaryDirectory(prefix="sercl-features-")
        store = cls(Path(folder.name))
        store._temporary = folder
        return store

    def open(self, space: FeatureSpace) -> SpaceStore:
        """Return the rows of exactly this space, for reading and adding.

        Raises:
            DamagedStoreError: If one of its files is damaged.
        """
        return SpaceStore(self.root / space.name, space)

    def sources(self, wanted: FeatureSpace) -> list[StoredSpace]:
        """Return all folders that may have the states of a space: its own, and those of larger spaces.

        Raises:
            DamagedStoreError: If a file is damaged.
            FeatureError: If the store is of another version.
        """
        found = []
        for folder in space_folders(self.root):
            if not (folder / DESCRIPTION).exists():
                continue  # another process is just creating it
            space = read_space(folder)
            if (positions := wanted.positions_in(space)) is not None:
                found.append(StoredSpace(SpaceStore(folder, space), positions))
                with suppress(OSError):  # read-only: only the age that `sercl features info` shows is lost
                    os.utime(folder / DESCRIPTION)
        return found


def space_folders(root: Path) -> list[Path]:
    """Return the folders of spaces in a store."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if _NAME.fullmatch(path.name) and path.is_dir())


def read_space(folder: Path) -> FeatureSpace:
    """Return the space of a folder.

    Raises:
        FeatureError: If it has another version of the store's format.
        DamagedStoreError: If its description cannot be read or belongs to another folder.
    """
    path = folder / DESCRIPTION
    content = _read_description(path)
    if content["format"] != FORMAT:
        raise FeatureError(
            f"{folder}: hidden states of another version of sercl (format {content['format']}; this version "
            f"reads {FORMAT}). Choose another --features.dir, or empty this one: "
            f"sercl features prune --all --dir {folder.parent}"
        )
    try:
        space = FeatureSpace.from_dict(content["space"])
    except (KeyError, TypeError) as error:
        raise DamagedStoreError(path, f"no description of hidden states: {error}") from error
    if space.name != folder.name:
        raise DamagedStoreError(path, "does not describe this folder")
    return space


def _read_description(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise DamagedStoreError(path, f"unreadable: {error}") from error
    if not isinstance(content, dict) or "format" not in content:
        raise DamagedStoreError(path, "no description of hidden states")
    return content
