"""Reading the text of a segment file."""

from pathlib import Path

from sercl.corpora.text_files import UnknownEncodingError, decode
from sercl.errors import SegmentError


def read_text(path: Path) -> str:
    r"""Return the text of a file, in any encoding that can be told (`text_files.decode`); line ends are "\n".

    Raises:
        SegmentError: There is no such file, or it is no text.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SegmentError(f"cannot be read ({error.strerror}). Check the path.", path=path) from error
    try:
        return decode(content).replace("\r\n", "\n").replace("\r", "\n")
    except UnknownEncodingError as error:
        raise SegmentError(f"{error}.", path=path) from error
