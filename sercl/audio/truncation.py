"""How much of the audio that a header announces is missing, which libsndfile does not report. No torch."""

import io
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

# A writer that cannot seek back (a pipe) leaves 0 or the largest size in the header: then nothing is missing.
LARGEST_DECLARED = 0x7FFF0000
_LARGEST_PAGE = 65_307
_MOST_CHUNKS = 1000
_W64_START = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_NIST_START = b"NIST_1A\n"
_NIST_BYTES = 1024


class Stretch(NamedTuple):
    """Position of the audio in a file, in bytes: its start and its announced size."""

    start: int
    announced: int


def missing_share(path: Path | str) -> float:
    """Return how much of the announced audio is missing at the end of a file, 0 for none to 1 for all.

    It reads the headers of WAV (RIFF, RIFX, RF64, BW64, W64), AIFF, 8SVX, AU, CAF and NIST SPHERE. The header
    of Ogg announces no size, so the missing fraction of its last page is returned. For other formats the
    result is 0.

    Raises:
        OSError: If the file cannot be read.
    """
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(16)
        if start.startswith(b"OggS"):
            return _missing_of_last_page(file, size)
        found = _stretch(file, start)
    if found is None or not 0 < found.announced < LARGEST_DECLARED:
        return 0.0
    return min(1.0, max(0, found.start + found.announced - size) / found.announced)


class OpenEnded(io.FileIO):
    """A WAV whose writer could not go back to fill in its size, read as if it announced the maximum.

    Args:
        path: The file.
        at: Position of the size field, in bytes.
    """

    def __init__(self, path: Path | str, at: int) -> None:
        super().__init__(path)
        self._at = at

    def readinto(self, buffer: Any) -> int | None:
        """Read the next bytes, with the size field replaced."""
        begin = self.tell()
        count = super().readinto(buffer)
        for position in range(max(begin, self._at), min(begin + (count or 0), self._at + 4)):
            memoryview(buffer).cast("B")[position - begin] = 0xFF
        return count


def open_ended(path: Path | str) -> OpenEnded | None:
    """Return a WAV that announces no audio but contains some, None for any other file.

    If more chunks follow, the audio really is empty.
    """
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        form = {b"RIFF": "<4sI", b"RIFX": ">4sI"}.get(file.read(4))
        chunks = list(_chunks(file, 12, form)) if form else []
    data = next((found for name, found in chunks if name == b"data"), None)
    if data is None or data.announced or data.start + 1 >= size:
        return None
    last = chunks[-1][1]
    return None if 0 <= last.start + last.announced - size <= 1 else OpenEnded(path, data.start - 4)


def _stretch(file: BinaryIO, start: bytes) -> Stretch | None:
    try:
        return next((find(file) for mark, find in _FORMATS.items() if start.startswith(mark)), None)
    except (
        struct.error,
        ValueError,
        LookupError,
    ):  # a truncated header, which libsndfile has refused
        return None


def _chunks(file: BinaryIO, at: int, form: str, head: int = 0) -> Iterator[tuple[bytes, Stretch]]:
    """Yield name and position of each chunk; `form` unpacks name and size, which take `head` bytes."""
    length, align = struct.calcsize(form), 8 if head else 2
    for _ in range(_MOST_CHUNKS):
        block = _read(file, at, length)
        if len(block) < length:
            return
        name, size = struct.unpack(form, block)
        yield name, Stretch(at + length, size - head)
        at += length + size - head
        at += -at % align


def _read(file: BinaryIO, at: int, count: int) -> bytes:
    """Return up to `count` bytes at a position; fewer at the end of the file, none beyond it."""
    if not 0 <= at < os.fstat(file.fileno()).st_size:
        return b""
    file.seek(at)
    return file.read(count)


def _wave(order: str) -> Callable[[BinaryIO], Stretch | None]:
    def find(file: BinaryIO) -> Stretch | None:
        true_size = 0
        for name, found in _chunks(file, 12, f"{order}4sI"):
            if name == b"ds64":
                _, true_size = struct.unpack("<QQ", _read(file, found.start, 16))
            if name == b"data":
                is_large = found.announced == 0xFFFFFFFF and true_size
                return Stretch(found.start, true_size) if is_large else found
        return None

    return find


def _wave64(file: BinaryIO) -> Stretch | None:
    chunks = _chunks(file, 40, "<16sQ", head=24)
    return next((found for name, found in chunks if name.startswith(b"data")), None)


def _iff(file: BinaryIO) -> Stretch | None:
    chunks = _chunks(file, 12, ">4sI")
    return next((found for name, found in chunks if name in (b"SSND", b"BODY")), None)


def _caf(file: BinaryIO) -> Stretch | None:
    at = 8
    for _ in range(_MOST_CHUNKS):
        name, size = struct.unpack(">4sq", _read(file, at, 12))
        if name == b"data":
            return Stretch(at + 12, size)
        at += 12 + size
    return None


def _au(order: str) -> Callable[[BinaryIO], Stretch | None]:
    def find(file: BinaryIO) -> Stretch | None:
        return Stretch(*struct.unpack(f"{order}II", _read(file, 4, 8)))

    return find


def _nist(file: BinaryIO) -> Stretch | None:
    rows = [row.split() for row in _read(file, 0, _NIST_BYTES).split(b"\n")]
    length = int(rows[1][0])
    facts = {row[0]: row[2] for row in rows if len(row) == 3}
    if facts.get(b"sample_coding", b"pcm") not in (b"pcm", b"ulaw", b"alaw", b"mu-law"):
        return None  # compressed: its size is not that of its samples
    count, width = int(facts[b"sample_count"]), int(facts[b"sample_n_bytes"])
    return Stretch(length, count * width * int(facts.get(b"channel_count", 1)))


_FORMATS: dict[bytes, Callable[[BinaryIO], Stretch | None]] = {
    b"RIFF": _wave("<"),
    b"RIFX": _wave(">"),
    b"RF64": _wave("<"),
    b"BW64": _wave("<"),
    _W64_START: _wave64,
    b"FORM": _iff,
    b".snd": _au(">"),
    b"dns.": _au("<"),
    b"caff": _caf,
    _NIST_START: _nist,
}


def _missing_of_last_page(file: BinaryIO, size: int) -> float:
    """Return the missing fraction of the last page of an Ogg file."""
    begin = max(0, size - _LARGEST_PAGE)
    file.seek(begin)
    tail = file.read(_LARGEST_PAGE)
    at = tail.rfind(b"OggS")
    if at < 0:
        return 0.0
    page = tail[at:]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return 1.0
    whole = 27 + page[26] + sum(page[27 : 27 + page[26]])
    return max(0, whole - len(page)) / whole
