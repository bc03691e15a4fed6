"""A database of the positions of all rows in the shards of a folder. It may be deleted at any time."""

import os
import sqlite3
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from sercl.errors import DamagedStoreError
from sercl.features.shard import SUFFIX, Shard

NAME = "index.sqlite"
_DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""Errors of a damaged database; the second is that of its own message, which quotes bytes of the file."""
MOST_KEYS = 500
"""Maximum number of keys per look-up: sqlite before 3.32 accepts at most 999 variables."""

_VERSION = 1
_TABLES = (
    "drop table if exists rows",
    "drop table if exists shards",
    "create table shards (id integer primary key, name text not null unique, size integer not null)",
    "create table rows (key text primary key, shard integer not null, row integer not null) without rowid",
    f"pragma user_version = {_VERSION}",
)
_WAIT_SECONDS = 60
_CACHE_KIB = 16_384

Result = TypeVar("Result")


class Location(NamedTuple):
    """A row: the file name of its shard, and its number there."""

    shard: str
    row: int


class Index:
    """The rows of a folder by their keys.

    It is updated by `refresh`, and rebuilt if damaged. If it cannot be written (a read-only folder, a full
    disk, a file system without locks), a private one is used, which is deleted with the process. Several
    processes may use one folder at once.

    Args:
        folder: Folder of the shards.
        space: Name of the space that they must belong to.
    """

    def __init__(self, folder: Path, space: str) -> None:
        self._folder, self._space = folder, space
        self._path = folder / NAME
        self._private = not folder.is_dir()
        self._connect()

    def refresh(self) -> None:
        """Add new shards, and remove those that are gone.

        Raises:
            DamagedStoreError: For a damaged shard; the rows of the others are kept.
        """
        self._mended(self._refresh)

    def find(self, keys: Sequence[str]) -> dict[str, Location]:
        """Return the locations of those keys that have rows, ordered by shard.

        Args:
            keys: At most `MOST_KEYS`.
        """
        return self._mended(lambda: self._find(keys))

    def rebuild(self) -> None:
        """Discard the database and read all shards again."""
        self._mended(self._forget)
        self.refresh()

    def _find(self, keys: Sequence[str]) -> dict[str, Location]:
        marks = ",".join("?" * len(keys))
        query = (
            f"select key, name, row from rows join shards on shard = id where key in ({marks}) "
            "order by shard, row"
        )
        return {key: Location(name, row) for key, name, row in self._connection.execute(query, keys)}

    def _refresh(self) -> None:
        if self._present() == self._known():
            return
        with self._transaction():
            present = self._present()  # again: from here on no other process changes the index
            if not self._known().keys() <= present.keys():
                self._empty()  # a key of a removed shard may be in another one, too
            known = self._known()
            for name, size in sorted(present.items()):
                if name not in known:
                    self._add(name, size)
                elif known[name] != size:
                    raise DamagedStoreError(self._folder / name, f"{size:,} bytes, was {known[name]:,}")

    def _add(self, name: str, size: int) -> None:
        try:
            shard = Shard(self._folder / name, self._space)
        except FileNotFoundError:
            return  # pruned just now
        insert = "insert into shards (name, size) values (?, ?)"
        number = self._connection.execute(insert, (name, size)).lastrowid
        # In the order of the keys, which is faster than the order of the rows. Of two equal keys the first is
        # kept.
        rows = sorted((key, number, row) for row, key in enumerate(shard.keys))
        self._connection.executemany("insert or ignore into rows values (?, ?, ?)", rows)

    def _present(self) -> dict[str, int]:
        """Return the size of each shard in the folder, by file name."""
        if not self._folder.is_dir():
            return {}
        with os.scandir(self._folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if is_shard(entry.name)}

    def _known(self) -> dict[str, int]:
        return dict(self._connection.execute("select name, size from shards"))

    def _forget(self) -> None:
        with self._transaction():
            self._empty()

    def _empty(self) -> None:
        self._connection.execute("delete from rows")
        self._connection.execute("delete from shards")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Lock the database for writing; a damaged shard does not undo what was written for the others."""
        self._connection.execute("begin immediate")
        try:
            yield
        except DamagedStoreError:
            self._connection.execute("commit")
            raise
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    def _mended(self, work: Callable[[], Result]) -> Result:
        """Run a function; if the database fails, run it again on a new one."""
        try:
            if self._process != os.getpid():
                self._connect()  # a connection must not be carried across a fork
                self._refresh()
            return work()
        except sqlite3.OperationalError:
            self._private = True
        except _DAMAGE:
            self._delete()
        self._connect()
        self._refresh()
        return work()

    def _connect(self) -> None:
        try:
            self._open()
        except sqlite3.OperationalError:
            if self._private:
                raise
            self._private = True
            self._connect()
        except _DAMAGE:
            self._delete()
            self._connect()

    def _open(self) -> None:
        # An empty name is a database in a temporary file of sqlite's own.
        location = "" if self._private else self._path
        # It is closed by whichever thread collects garbage.
        self._connection = sqlite3.connect(
            location, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._process = os.getpid()
        weakref.finalize(self, self._connection.close)
        self._prepare()

    def _prepare(self) -> None:
        self._connection.execute(f"pragma cache_size = -{_CACHE_KIB}")
        if self._is_ready():
            return
        with self._transaction():
            if not self._is_ready():
                for statement in _TABLES:
                    self._connection.execute(statement)

    def _is_ready(self) -> bool:
        version: int = self._connection.execute("pragma user_version").fetchone()[0]
        return version == _VERSION

    def _delete(self) -> None:
        """Remove a damaged database; if that is impossible, continue with a private one."""
        self._connection.close()
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            self._private = True


def is_shard(name: str) -> bool:
    """Whether a file name is that of a finished shard."""
    return name.endswith(SUFFIX) and not name.startswith(".")
