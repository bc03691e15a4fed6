"""The append-only log of a running listening test, each entry chained to the one before by SHA-256. No torch.

An entry is a line of JSON. Its hash covers its number, time, kind, the hash before it, and the digest of its
content, which is salted. So the content of an entry can be erased, with its salt, and the chain is still
complete; what was erased cannot be found by trying contents, as the salt is gone.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sercl.documents import parse_json
from sercl.errors import DocumentError, ResultsError
from sercl.files import atomic_path, to_disk
from sercl.studies.results.records import as_record

START = "0" * 64
"""What stands for the hash before the first entry."""

_ADVICE = "Restore the answers from a backup (sercl listen backup)."


@dataclass(frozen=True)
class Entry:
    """One entry of the log.

    Attributes:
        number: From 1, without gaps.
        at: Time by the server's clock, ISO 8601 in UTC; as a clock may be set back, numbers are the order.
        kind: What happened.
        content: What else is known of it; None where it was erased.
        salt: Random, part of the digest; None where it was erased.
        digest: SHA-256 of salt and content.
        before: Hash of the entry before.
        hash: SHA-256 of number, time, kind, digest and `before`.
    """

    number: int
    at: str
    kind: str
    content: Mapping[str, Any] | None
    salt: str | None
    digest: str
    before: str
    hash: str

    def erased(self) -> "Entry":
        """Return the entry without its content, which has the same hash."""
        return replace(self, content=None, salt=None)


class Journal:
    """The log of one folder, to which one process writes.

    A torn last line, left by a crash while it was written, is removed on opening: nothing of it was
    acknowledged.

    Args:
        path: Its file, created if missing.

    Raises:
        ResultsError: If the chain is broken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.touch()
            to_disk(path.parent)
        _cut(path, complete_size(path))
        last = None
        for last in entries(path):  # noqa: B007 - checks all, and keeps the last
            pass
        self.number, self.head = (last.number, last.hash) if last else (0, START)
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND)

    def append(self, made: Sequence[Entry]) -> None:
        """Write entries, all or none; they are on the disk when this returns.

        Args:
            made: What `chained` makes of `number` and `head`.

        Raises:
            OSError: If the disk is full or broken; the log is then as before.
        """
        size = self.size
        try:
            _write(self._handle, "".join(map(line_of, made)).encode())
            os.fsync(self._handle)
        except OSError:
            self.cut(size)
            raise
        if made:
            self.number, self.head = made[-1].number, made[-1].hash

    def undo(self, size: int, number: int, head: str) -> None:
        """Take back what was appended since the log had a size, a last number and its hash."""
        self.cut(size)
        self.number, self.head = number, head

    def cut(self, size: int) -> None:
        """Shorten the file to a size, on the disk."""
        os.ftruncate(self._handle, size)
        os.fsync(self._handle)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return os.fstat(self._handle).st_size

    def erase(self, numbers: Iterable[int]) -> None:
        """Remove the contents of entries; the file is replaced in one step."""
        gone = set(numbers)
        with atomic_path(self.path) as temporary, temporary.open("w", encoding="utf-8") as file:
            for entry in entries(self.path):
                file.write(line_of(entry.erased() if entry.number in gone else entry))
        os.close(self._handle)
        self._handle = os.open(self.path, os.O_WRONLY | os.O_APPEND)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


def chained(events: Iterable[tuple[str, Mapping[str, Any]]], number: int, head: str) -> Iterator[Entry]:
    """Yield the entries that follow a number and hash."""
    for kind, content in events:
        number, salt = number + 1, secrets.token_hex(16)
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        digest = _sha256(salt, content)
        before, head = head, _sha256(number, at, kind, digest, head)
        yield Entry(number, at, kind, dict(content), salt, digest, before, head)


def entries(path: Path, most: int | None = None) -> Iterator[Entry]:
    """Yield the entries of a log, each checked against the one before.

    Args:
        path: The log.
        most: Number of the last entry to read, None for all.

    Raises:
        ResultsError: If a line is not an entry, was changed, or is not the successor of the one before.
    """
    number, head = 0, START
    with path.open("rb") as file:
        for line in file:
            if most is not None and number >= most:
                return
            entry = _parsed(line, path, number + 1)
            if fault := _fault(entry, number, head):
                raise ResultsError(path, f"line {number + 1}: {fault}. {_ADVICE}")
            number, head = entry.number, entry.hash
            yield entry


def _parsed(line: bytes, path: Path, number: int) -> Entry:
    try:
        content = parse_json(line)
    except DocumentError as error:
        raise ResultsError(path, f"line {number}: is not valid JSON. {_ADVICE}") from error
    return as_record(content, Entry, path, _ADVICE)


def _fault(entry: Entry, number: int, head: str) -> str | None:
    if entry.number != number + 1 or entry.before != head:
        return "entries before it are missing or were changed"
    if entry.hash != _sha256(entry.number, entry.at, entry.kind, entry.digest, head):
        return "was changed after it was written"
    if entry.content is not None and entry.digest != _sha256(entry.salt, entry.content):
        return "its content was changed after it was written"
    return None


def line_of(entry: Entry) -> str:
    """Return the line of an entry."""
    return json.dumps(asdict(entry), separators=(",", ":")) + "\n"


def complete_size(path: Path) -> int:
    """Return the size of the file up to the end of its last complete line."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65536)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0


def _cut(path: Path, size: int) -> None:
    if path.stat().st_size > size:
        os.truncate(path, size)
        to_disk(path)


def _write(handle: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]


def _sha256(*parts: object) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
