"""Reading the text of a segment file."""

import codecs
from pathlib import Path

from sercl.errors import SegmentError

_MARKS = {
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}


def read_text(path: Path) -> str:
    r"""Return the text of a file in UTF-8 or, where it says so, UTF-16 (Praat); line ends are "\n".

    Raises:
        SegmentError: There is no such file, or it is no text.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SegmentError(f"cannot be read ({error.strerror}). Check the path.", path=path) from error
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise SegmentError(
            f"is no {encoding} text (byte {error.start}). Save it as UTF-8.", path=path
        ) from error
