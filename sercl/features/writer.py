"""Collecting rows into shards of a good size, soon enough that a kill costs seconds of work."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from sercl.features.shard import Row, Values, write_shard

SHARD_BYTES = 32 * 2**20
"""A shard is written when its numbers take this much: opened shards are what reading costs in memory."""

SHARD_ROWS = 8192
"""A shard is written when it has so many rows, however small: each takes memory of its own."""

SHARD_SECONDS = 20.0
"""A shard is written at the latest this long after the last one: a kill loses no more than that."""


class RowWriter:
    """Writes rows of one space into shards; several writers, in any processes, may do so at once.

    To be used in a `with` block, at whose end, by an error too, all that was added is on the disk. The disk
    works beside the caller, so an error in writing may come with a later `add`, or with the end.

    Args:
        folder: Folder of the space.
        space: Its name.
    """

    def __init__(self, folder: Path, space: str) -> None:
        self._folder, self._space = folder, space
        self._rows: list[Row] = []
        self._bytes, self._since = 0, time.monotonic()
        self._disk = ThreadPoolExecutor(1)
        self._writing: Future[Path] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._flush()
            self._wait()
        finally:
            self._disk.shutdown()

    def add(self, key: str, values: Values) -> None:
        """Take a row.

        Args:
            key: Key of the audio.
            values: `[...]` float32 in C order; not to be changed from now on.

        Raises:
            OutputError: Where the shard before this one could not be written.
        """
        self._rows.append(Row(key, values))
        self._bytes += values.nbytes
        late = time.monotonic() - self._since >= SHARD_SECONDS
        if late or self._bytes >= SHARD_BYTES or len(self._rows) >= SHARD_ROWS:
            self._flush()

    def _flush(self) -> None:
        """Hand the rows over to the disk, one shard at a time: more would fill the memory."""
        self._wait()
        rows, self._rows, self._bytes, self._since = self._rows, [], 0, time.monotonic()
        if rows:
            self._writing = self._disk.submit(write_shard, self._folder, self._space, rows)

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()
