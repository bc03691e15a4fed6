"""Text files whose encoding nobody wrote down."""

from pathlib import Path

from sercl.corpora.text_files import marked_encoding


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
    marked = marked_encoding(data)
    for encoding in (*([marked] if marked else []), "utf-8", *fallbacks):
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")
