"""Mutated files for tests of parsers: from valid ones, by a fixed seed."""

import random
from collections.abc import Iterator

HOSTILE = (
    b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xe9", b"nan", b"inf", b"-1", b"1e999", b"9" * 5000,
    b"null", b"[]", b"{}", b"[" * 2000, b'{"a":' * 2000, b'"' * 3, b"\\ud800", b"x" * 5000, b"../../x",
    b"true", b"&a [*a]", b"\r", b"\n", b"\t", b",", b";", b"'", b":", b"-", b"0", b"1.5", b"<", b"size = ",
)  # fmt: skip


def mutations(valid: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield files that differ from a valid one: bytes and words replaced, cut out, doubled or put in."""
    generator = random.Random(seed)
    yield b""
    yield valid[: len(valid) // 2]
    for _ in range(count):
        content = valid
        for _ in range(generator.randint(1, 3)):
            start = generator.randrange(len(content) + 1)
            end = min(len(content), start + generator.choice((0, 1, 1, 2, 5, 20)))
            filling = generator.choice((*HOSTILE, bytes([generator.randrange(256)]), content[start:end] * 2))
            content = content[:start] + filling + content[end:]
        yield content


def flips(valid: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield files that differ from a valid binary one: bytes changed, most near its ends, or cut."""
    generator = random.Random(seed)
    yield b""
    for number in range(count):
        if number % 4 == 0:
            yield valid[: generator.randrange(len(valid))]
            continue
        content = bytearray(valid)
        for _ in range(generator.choice((1, 1, 2, 8))):
            reach = min(len(content), generator.choice((16, 128, 1024, len(content))))
            index = generator.randrange(reach) * generator.choice((1, -1))
            content[index] = generator.choice((0, 1, 0x7F, 0x80, 0xFF, generator.randrange(256)))
        yield bytes(content)
