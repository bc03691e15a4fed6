"""The rows of one space: finding, reading and adding them."""

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from sercl.errors import FeatureError, OutputError
from sercl.features.index import MOST_KEYS, Index, Location
from sercl.features.shard import FeatureRow, RowWriter, Shard, Values
from sercl.features.space import FeatureSpace
from sercl.files import remove_leftovers, write_text

FORMAT = 1
"""Version of the layout of folders and shards."""

DESCRIPTION = "space.json"
LEFT_AFTER = 3600.0
"""Seconds after which a temporary file in the store counts as left by a killed process, whatever its lock: on
some shared disks, each machine sees only its own locks."""

MOST_OPEN = 4
"""Maximum number of open shards."""


class SpaceStore:
    """The folder of one space.

    Args:
        folder: The folder; it need not exist yet.
        space: Its space.

    Raises:
        DamagedStoreError: If it contains a damaged shard.
    """

    def __init__(self, folder: Path, space: FeatureSpace) -> None:
        self.folder, self.space = folder, space
        self._index = Index(folder, space.name)
        self._open: OrderedDict[str, Shard] = OrderedDict()
        self._index.refresh()

    def __contains__(self, key: str) -> bool:
        return bool(self._index.find([key]))

    def missing(self, keys: Iterable[str]) -> Iterator[str]:
        """Yield the keys without a row, in the order given."""
        for chunk in _chunks(keys):
            found = self._index.find(chunk)
            yield from (key for key in chunk if key not in found)

    def read(self, keys: Iterable[str]) -> Iterator[FeatureRow]:
        """Yield the existing rows of some keys, in the order of the disk.

        The numbers of a row are flat, read-only, and in a memory map.

        Raises:
            DamagedStoreError: If a row does not match its checksum.
        """
        for chunk in _chunks(keys):
            for key, location in self._index.find(chunk).items():
                yield FeatureRow(key, self._row(key, location))

    def writer(self) -> RowWriter:
        """Return a writer, after making sure that the folder can be written.

        Raises:
            OutputError: If it cannot.
        """
        try:
            content = {"format": FORMAT, "space": self.space.to_dict()}
            remove_leftovers(self.folder, LEFT_AFTER)
            write_text(self.folder / DESCRIPTION, json.dumps(content, indent=2) + "\n")
        except OutputError as error:
            raise OutputError(
                f"{error} Hidden states of {self.space.encoder!r} are missing there and cannot be added: "
                "--features.dir names another folder, --no-cache goes without."
            ) from error
        return RowWriter(self.folder, self.space.name)

    def _row(self, key: str, location: Location) -> Values:
        try:
            return self._opened(location.shard).read(location.row, key)
        except (FileNotFoundError, LookupError):
            # Another process has pruned the shard, or the index was modified.
            self._index.rebuild()
        if (again := self._index.find([key]).get(key)) is None:
            raise FeatureError(f"{self.folder}: rows were removed while they were in use. Run again.")
        return self._opened(again.shard).read(again.row, key)

    def _opened(self, name: str) -> Shard:
        if name not in self._open:
            self._open[name] = Shard(self.folder / name, self.space.name)
            if len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
        self._open.move_to_end(name)
        return self._open[name]


def _chunks(keys: Iterable[str]) -> Iterator[Sequence[str]]:
    rest = iter(keys)
    while chunk := list(islice(rest, MOST_KEYS)):
        yield chunk
