"""A shard: an Arrow file of rows, written once and atomically, and read through a memory map."""

import hashlib
import time
import zlib
from collections.abc import Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sercl.errors import DamagedStoreError, OutputError
from sercl.files import atomic_path

SUFFIX = ".arrow"

Values = npt.NDArray[np.float32]

_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("values", pa.list_(pa.field("item", pa.float32(), nullable=False)), nullable=False),
        # Disks may corrupt data: a checksum of each row detects it and costs less than reading it twice.
        pa.field("check", pa.uint32(), nullable=False),
    ]
)
_SPACE = b"space"


class FeatureRow(NamedTuple):
    """The key of an utterance's audio, and its numbers, `[...]` float32 in C order."""

    key: str
    values: Values


def write_shard(folder: Path, space: str, rows: Sequence[FeatureRow]) -> Path:
    """Write rows as one file, atomically and synchronised to the disk.

    Args:
        folder: The folder; created if missing.
        space: Name of the space, stored in the file.
        rows: At least one.

    Returns:
        The file, named after a hash of its content: writing the same rows again changes nothing.

    Raises:
        OutputError: If it cannot be written; then nothing is left behind.
    """
    batch = _batch(rows)
    path = folder / f"{_digest(space, batch)}{SUFFIX}"
    try:
        with atomic_path(path) as temporary:
            _write(temporary, batch, space)
    except OutputError as error:
        raise OutputError(
            f"{error} These are hidden states: all that was stored so far is intact, the next run continues "
            "from there, and --features.dir chooses another folder."
        ) from error
    return path


class Shard:
    """An open shard.

    Args:
        path: The file.
        space: Name of the space that it must belong to.

    Raises:
        DamagedStoreError: If the file is not an intact shard of the space.
        FileNotFoundError: If it does not exist.
    """

    def __init__(self, path: Path, space: str) -> None:
        self.path = path
        self._space = space
        try:
            reader = pa.ipc.open_file(pa.memory_map(str(path)))
            self._check_schema(reader)
            self._batch = reader.get_batch(0)
            self._batch.validate(
                full=True
            )  # checks that offsets are within bounds; does not read the numbers
            self._keys, lists, checks = self._batch.columns
            self._checks = _view(checks, np.uint32)
            self._offsets, self._values = _view(lists.offsets, np.int32), _view(lists.values, np.float32)
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, ValueError, TypeError) as error:
            raise DamagedStoreError(path, _first_line(error)) from error

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def keys(self) -> list[str]:
        """The keys, in the order of the rows."""
        keys: list[str] = self._keys.to_pylist()
        return keys

    def read(self, row: int, key: str) -> Values:
        """Return the numbers of a row, flat and read-only, directly from the memory map.

        Args:
            row: Its number.
            key: Its key.

        Raises:
            LookupError: If the row has another key.
            DamagedStoreError: If the numbers do not match their checksum.
        """
        if row >= len(self) or self._keys[row].as_py() != key:
            raise LookupError(f"{self.path}: row {row} is not that of {key}")
        values: Values = self._values[self._offsets[row] : self._offsets[row + 1]]
        if _check(key, values) != self._checks[row]:
            raise DamagedStoreError(self.path, f"the checksum of row {row} does not match")
        return values

    def verify(self) -> None:
        """Read every row.

        Raises:
            DamagedStoreError: If anything does not match its checksum.
        """
        for row, key in enumerate(self.keys):
            self.read(row, key)
        if _digest(self._space, self._batch) != self.path.stem:
            raise DamagedStoreError(self.path, "its name does not belong to its content")

    def _check_schema(self, reader: pa.ipc.RecordBatchFileReader) -> None:
        schema = reader.schema
        if not schema.equals(_SCHEMA) or reader.num_record_batches != 1:
            raise ValueError("not a shard")
        if (schema.metadata or {}).get(_SPACE) != self._space.encode():
            raise ValueError("a shard of another space")


def _batch(rows: Sequence[FeatureRow]) -> pa.RecordBatch:
    flat = [row.values.reshape(-1) for row in rows]
    keys = [row.key.encode() for row in rows]
    checks = [_check(row.key, values) for row, values in zip(rows, flat, strict=True)]
    numbers = _column(np.concatenate(flat), pa.float32())
    columns = [
        pa.StringArray.from_buffers(len(keys), pa.py_buffer(_offsets(keys)), pa.py_buffer(b"".join(keys))),
        pa.ListArray.from_arrays(_column(_offsets(flat), pa.int32()), numbers, _SCHEMA.field("values").type),
        _column(np.array(checks, np.uint32), pa.uint32()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


def _offsets(parts: Sequence[Sized]) -> npt.NDArray[np.int32]:
    return np.cumsum([0, *map(len, parts)], dtype=np.int32)


# With buffers: `pyarrow.array` and `to_numpy` would import pandas, which takes a second.
def _column(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _view(column: pa.Array, dtype: type[np.generic]) -> npt.NDArray[Any]:
    return np.frombuffer(column.buffers()[1], dtype, count=len(column))


def _check(key: str, values: Values) -> int:
    return zlib.crc32(values.data, zlib.crc32(key.encode()))


def _digest(space: str, batch: pa.RecordBatch) -> str:
    """Return a hash of the keys and the checksums of the numbers."""
    total = hashlib.sha256(space.encode())
    for key in batch.column("key").to_pylist():
        total.update(f"\n{key}".encode())
    total.update(_view(batch.column("check"), np.uint32).tobytes())
    return total.hexdigest()[:32]


def _write(path: Path, batch: pa.RecordBatch, space: str) -> None:
    schema = batch.schema.with_metadata({_SPACE: space.encode()})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(batch.replace_schema_metadata(schema.metadata))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


SHARD_BYTES = 32 * 2**20
"""A shard is written when its numbers reach this size: open shards determine the memory for reading."""

SHARD_ROWS = 8192
"""A shard is written when it has this many rows, however small, since each row takes memory."""

SHARD_SECONDS = 20.0
"""A shard is written at least this often (s), so that a killed run loses no more."""


class RowWriter:
    """Writes rows of one space into shards; several writers, in any processes, may do so at once.

    Use it in a `with` block: at its end, even after an error, all rows are on the disk. Writing runs in the
    background, so a write error may be raised by a later `add` or at the end.

    Args:
        folder: Folder of the space.
        space: Its name.
    """

    def __init__(self, folder: Path, space: str) -> None:
        self._folder, self._space = folder, space
        self._rows: list[FeatureRow] = []
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
        """Add a row.

        Args:
            key: Key of the audio.
            values: `[...]` float32 in C order; must not be changed afterwards.

        Raises:
            OutputError: If the shard before this one could not be written.
        """
        self._rows.append(FeatureRow(key, values))
        self._bytes += values.nbytes
        late = time.monotonic() - self._since >= SHARD_SECONDS
        if late or self._bytes >= SHARD_BYTES or len(self._rows) >= SHARD_ROWS:
            self._flush()

    def _flush(self) -> None:
        """Start writing the rows, one shard at a time, since more would fill the memory."""
        self._wait()
        rows, self._rows, self._bytes, self._since = self._rows, [], 0, time.monotonic()
        if rows:
            self._writing = self._disk.submit(write_shard, self._folder, self._space, rows)

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()
