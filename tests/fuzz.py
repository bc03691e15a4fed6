"""Mutated files, made from valid ones by a source of random choices: `random.Random`, or hypothesis's own."""

import io
import json
import math
import os
import random
import resource
import signal
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sercl.errors import SerclError, causes
from sercl.memory import exhausted

MOST_SECONDS = 10.0
MOST_BYTES = 2**30
"""What a reader may take for one file, whatever is in it."""

Mutator = Callable[[bytes, random.Random], bytes]

HOSTILE = (
    b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe9", b"nan", b"inf", b"-inf", b"-1", b"1e999", b"1e308",
    b"9" * 5000, b"-" + b"9" * 5000, "٣".encode(), "²".encode(), b"null", b"[]", b"{}", b"[" * 2000,
    b'{"a":' * 2000, b'"' * 3, b"\\ud800", b"\xed\xa0\x80", b"x" * 300, b"x" * 140_000, b"../../x",
    b"/dev/zero", b"true", b"&a [*a]", b"!!python/object/apply:os.system [true]", b"\r", b"\n", b"\t", b",",
    b";", b"'", b":", b"-", b"0", b"1.5", b"<", b"size = ", b"\x1b[31m", b"=1+1", b"~root/x", b"0x1F", b"1_0",
    b"00:00:61", b"1" + b"0" * 400, "\u202e".encode(), b"a/" * 3000,
)  # fmt: skip
"""Parts of texts that readers stumble over."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 7, 0.5, -0.5, 1e308, math.inf, -math.inf, math.nan, 2**31, 2**63,
    -(2**63) - 1, 10**400, "", "x", "0", "1e999", "nan", "x" * 300, "x" * 140_000, "\0", "\ud800",
    "../../etc/passwd", "/dev/zero", "=1+1", "\x1b[31m", "²", [], {}, [[]], [None], {"": None}, [0] * 3,
    ["x"] * 20_000, {"class_path": "os.system", "init_args": {"command": "true"}}, "@deep", "@digits",
)  # fmt: skip
"""Values in place of any value of a document; those with @ are written by `as_json`."""
_WRITTEN = {'"@deep"': "[" * 2000 + "]" * 2000, '"@digits"': "9" * 5000}


def as_json(content: Any) -> bytes:
    """Return JSON, including what the module json does not write: long numbers and deep lists."""
    text = json.dumps(content)
    for mark, value in _WRITTEN.items():
        text = text.replace(mark, value)
    return text.encode()


def text(valid: bytes, draw: random.Random) -> bytes:
    """Replace, cut out, double or put in bytes and words."""
    content = valid
    for _ in range(draw.randint(1, 3)):
        start = draw.randrange(len(content) + 1)
        end = min(len(content), start + draw.choice((0, 1, 1, 2, 5, 20)))
        filling = draw.choice((*HOSTILE, bytes([draw.randrange(256)]), content[start:end] * 2))
        content = content[:start] + filling + content[end:]
    return content


def cells(valid: bytes, draw: random.Random) -> bytes:
    """Replace whole cells and words of a text."""
    parts = valid.split(b"\n")
    row = draw.randrange(len(parts))
    marks = [mark for mark in (b",", b"\t", b";", b" ", b": ", b'"') if mark in parts[row]] or [b","]
    mark = draw.choice(marks)
    words = parts[row].split(mark)
    words[draw.randrange(len(words))] = draw.choice(HOSTILE)
    parts[row] = mark.join(words)
    return b"\n".join(parts)


def binary(valid: bytes, draw: random.Random) -> bytes:
    """Change bytes, most near the ends, put extreme numbers into the header, or cut."""
    if not valid or draw.randrange(5) == 0:
        return valid[: draw.randrange(len(valid) + 1)]
    content = bytearray(valid)
    for _ in range(draw.choice((1, 1, 2, 8))):
        reach = min(len(content), draw.choice((16, 128, 1024, len(content))))
        index = draw.randrange(reach) * draw.choice((1, 1, -1))
        content[index] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
    if len(content) > 8 and draw.randrange(3) == 0:
        form = draw.choice(("<I", ">I", "<Q", ">Q", "<H", ">H"))
        most = 256 ** struct.calcsize(form) - 1
        value = draw.choice((0, 1, most, most // 2, most // 2 + 1, draw.randrange(most + 1)))
        at = draw.randrange(min(len(content) - 8, 120) + 1)
        content[at : at + struct.calcsize(form)] = struct.pack(form, value)
    return bytes(content)


def document(valid: bytes, draw: random.Random) -> bytes:
    """Replace, remove, rename or wrap values of a JSON or YAML document; the result is JSON."""
    import yaml

    content = yaml.safe_load(valid)
    for _ in range(draw.choice((1, 1, 1, 2))):
        content = swapped(content, draw, VALUES)
    return as_json(content)


def lines(valid: bytes, draw: random.Random) -> bytes:
    """Do so in one line of a file with a document in each."""
    parts = valid.splitlines()
    number = draw.randrange(len(parts))
    parts[number] = document(parts[number], draw)
    return b"\n".join(parts) + b"\n"


def swapped(content: Any, draw: random.Random, values: tuple[Any, ...]) -> Any:
    """Return a copy of plain data with another value somewhere."""
    paths = list(_paths(content, ()))
    path = draw.choice(paths)
    other = draw.choice(paths)
    what = draw.randrange(8)
    if what == 0 and path:
        return _put(content, path[:-1], _without(_at(content, path[:-1]), path[-1]))
    if what == 1 and path and isinstance(_at(content, path[:-1]), dict):
        outer = _without(_at(content, path[:-1]), path[-1])
        return _put(content, path[:-1], {**outer, draw.choice(("", "x" * 300, "../x", "\0", "²")): 1})
    if what == 2:
        return _put(content, path, _at(content, other))
    if what == 3:
        return _put(content, path, draw.choice(([_at(content, path)], {"x": _at(content, path)})))
    return _put(content, path, draw.choice(values))


def _paths(content: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield path
    items = content.items() if isinstance(content, dict) else ()
    items = enumerate(content) if isinstance(content, list | tuple) else items
    for key, value in items:
        yield from _paths(value, (*path, key))


def _at(content: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        content = content[key]
    return content


def _put(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(content) if isinstance(content, dict) else list(content)
    copy[path[0]] = _put(content[path[0]], path[1:], value)
    return copy


def _without(content: Any, key: Any) -> Any:
    if isinstance(content, dict):
        return {name: value for name, value in content.items() if name != key}
    return [value for index, value in enumerate(content) if index != key]


def parquet(valid: bytes, draw: random.Random) -> bytes:
    """Give a column of a table another type, other cells or another name, or leave it out."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(valid))
    index = draw.randrange(table.num_columns)
    name, what = table.column_names[index], draw.randrange(6)
    if what == 0:
        table = table.remove_column(index)
    elif what == 1:
        table = table.append_column(draw.choice(table.column_names), table.column(index))
    elif what == 2:
        names = [*table.column_names]
        names[index] = draw.choice(("", "\x1b[31m", "x" * 5000, "path", "p_", "\0"))
        table = table.rename_columns(names)
    else:
        array = draw.choice(_arrays(table.num_rows))
        table = table.set_column(index, name, array)
    file = io.BytesIO()
    try:
        pq.write_table(table, file)
    except pa.ArrowException:  # not everything that is a column in memory can be written
        return valid
    return file.getvalue()


def _arrays(count: int) -> list[Any]:
    import pyarrow as pa

    def of(value: Any, kind: Any) -> Any:
        return pa.array([value] * count, kind)

    broken = pa.array([b"\xff\xfe\xed\xa0\x80"] * count, pa.binary())
    huge = pa.decimal128(38, 0)
    return [
        of(None, pa.null()), of(1, pa.int64()), of(-(2**63), pa.int64()), of(2**64 - 1, pa.uint64()),
        of(math.nan, pa.float64()), of(math.inf, pa.float64()), of(1e308, pa.float64()), of(True, pa.bool_()),
        of(b"\xff", pa.binary()), of([1, 2], pa.list_(pa.int64())),
        of({"a": 1}, pa.struct([("a", pa.int64())])),
        of({"bytes": b"x", "path": None}, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        of(2**52, pa.int64()).cast(pa.timestamp("s")), of(2**62, pa.int64()).cast(pa.duration("s")),
        of(2**31 - 1, pa.int32()).cast(pa.date32()), of(10**37, huge),
        of("x", pa.string()).dictionary_encode(),
        of([("a", 1)], pa.map_(pa.string(), pa.int64())), of("x" * 5000, pa.large_string()),
        of("", pa.string()),
        of("\0", pa.string()), of("9" * 5000, pa.string()), of("[" * 2000, pa.string()),
        of("../../x", pa.string()),
        of(0.5, pa.float16()), of(1, pa.int64()).cast(pa.time64("us")),
        pa.Array.from_buffers(pa.string(), count, broken.buffers()), of(b"abcd", pa.binary(4)),
    ]  # fmt: skip


def archive(valid: bytes, draw: random.Random) -> bytes:
    """Put another value into a checkpoint of torch, or damage its list of objects under a right checksum."""
    if draw.randrange(3) == 0:
        return _in_archive(valid, draw)
    import torch

    content = torch.load(io.BytesIO(valid), weights_only=True)
    strange = (
        torch.zeros(2), torch.zeros(0), torch.zeros(1).expand(10**12), torch.zeros(3, device="meta"),
        torch.zeros(3).to_sparse(), torch.zeros(2, dtype=torch.int8), torch.full((2, 2), math.nan), 10**5000,
        b"x", {1, 2}, (1, 2), {1: 2}, {None: 1}, 1j,
    )  # fmt: skip
    content = swapped(content, draw, (*(value for value in VALUES if value != "@deep"), *strange))
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def _in_archive(valid: bytes, draw: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(valid)) as old:
        items = {name: old.read(name) for name in old.namelist()}
    chosen = draw.choice([name for name in items if name.endswith(("data.pkl", "byteorder", "version"))])
    items[chosen] = draw.choice((text, binary))(items[chosen], draw)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as new:
        for name, content in items.items():
            new.writestr(name, content)
    return file.getvalue()


def safetensors(valid: bytes, draw: random.Random) -> bytes:
    """Put another value into the header of a safetensors file."""
    (size,) = struct.unpack("<Q", valid[:8])
    header = document(valid[8 : 8 + size], draw)
    return struct.pack("<Q", len(header)) + header + valid[8 + size :]


def mutations(valid: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield mutated texts by a fixed seed."""
    draw = random.Random(seed)
    yield b""
    yield valid[: len(valid) // 2]
    for _ in range(count):
        yield text(valid, draw)


def flips(valid: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield damaged binary files by a fixed seed."""
    draw = random.Random(seed)
    yield b""
    for _ in range(count):
        yield binary(valid, draw)


class TooSlowError(BaseException):
    """A reader took longer than `MOST_SECONDS`; no `except Exception` hides it."""


class TooLargeError(BaseException):
    """A reader took, or asked for, more than `MOST_BYTES`, whether it then refused the file or not."""


@dataclass(frozen=True)
class Tried:
    """What became of a file.

    Attributes:
        refusal: The error of sercl's that refuses it; None if it is read.
        seconds: The time that it took.
        grown: Bytes by which the process was larger at its largest.
    """

    refusal: SerclError | None
    seconds: float
    grown: int


@contextmanager
def bounded() -> Iterator[None]:
    """Stop a block after `MOST_SECONDS` of processor time, or at an allocation of `MOST_BYTES` more."""

    def stop(*_: object) -> None:
        raise TooSlowError(f"more than {MOST_SECONDS:g} s")

    before = signal.signal(signal.SIGPROF, stop)
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_memory("VmData") + MOST_BYTES, limits[1]))
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_DATA, limits)
        signal.signal(signal.SIGPROF, before)


def _memory(name: str) -> int:
    """Return a value of this process in bytes: "VmData" (allocated), "VmRSS" (in use), "VmHWM" (its peak)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith(name))


def _forget_peak() -> None:
    """Make the peak the memory in use. (That of `getrusage` may be the peak of the parent.)"""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def try_file(path: Path, content: bytes, read: Callable[[Path], object]) -> Tried:
    """Read a file with some content within the bounds.

    Raises:
        TooSlowError: Beyond `MOST_SECONDS`.
        TooLargeError: Beyond `MOST_BYTES`.
    """
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    _forget_peak()
    begin, before = time.perf_counter(), _memory("VmRSS")
    refusal = None
    with bounded():
        try:
            read(path)
        except SerclError as error:
            refusal = error
    tried = Tried(refusal, time.perf_counter() - begin, _memory("VmHWM") - before)
    if tried.grown > MOST_BYTES or any(exhausted(error) for error in causes(refusal)):
        raise TooLargeError(f"more than {MOST_BYTES / 2**30:g} GB: {refusal}")
    return tried


FACTOR = int(os.environ.get("SERCL_FUZZ", "1"))
"""How many times as many files as usual the tests try."""
