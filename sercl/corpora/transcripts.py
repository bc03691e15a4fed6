"""Text files whose encoding nobody wrote down."""

from pathlib import Path


def read_text(path: Path, *fallbacks: str) -> str:
    """Return the text of a file, in the first encoding that fits its bytes.

    A byte-order mark decides. Without one, zero bytes mean UTF-16; then UTF-8 is tried, then `fallbacks` in
    order, and at last Latin-1, which fits any bytes. The order of the fallbacks matters: most Latin-1 text is
    also legal GB 18030, and the other way round.

    Args:
        path: The file.
        *fallbacks: Names of encodings to try after UTF-8, the likely one first.
    """
    data = path.read_bytes()
    for encoding in (*_marked(data), "utf-8", *fallbacks):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _marked(data: bytes) -> tuple[str, ...]:
    if data.startswith(b"\xef\xbb\xbf"):
        return ("utf-8-sig",)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ("utf-16",)
    zeros = data[:200:2].count(0), data[1:200:2].count(0)
    if max(zeros) == 0:
        return ()
    return ("utf-16-be",) if zeros[0] > zeros[1] else ("utf-16-le",)
