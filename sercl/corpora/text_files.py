"""Detects the encoding of a text file from its bytes, and refuses files where two encodings fit."""

import codecs
import re
import unicodedata
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_TEXT = (
    (b"PAR1", "a Parquet file. Give its name the suffix .parquet"),
    (b"PK\x03\x04", "a spreadsheet or another zip file. Save it as `CSV UTF-8` in the program that made it"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet. Save it as `CSV UTF-8` in the program that made it"),
    (b"\x1f\x8b", "compressed. Unpack it (gunzip)"),
)
_HIGH = re.compile(rb"[\x80-\xff]+")
_WESTERN = frozenset("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿßŒœªº€«»°´¿¡§·\xa0–—‘’“”„…")


class UnknownEncodingError(ValueError):
    """Bytes that are not text, or text in an encoding that cannot be determined.

    Args:
        byte: Position of the first byte that does not fit.
        marked: The encoding that a byte-order mark indicates, None without one.
    """

    def __init__(self, byte: int, marked: str | None = None) -> None:
        self.byte = byte
        if marked:
            super().__init__(f"begins as {marked}, but is not (byte {byte}): it is damaged. Save it as UTF-8")
            return
        super().__init__(
            f"not UTF-8 (byte {byte}), and its encoding cannot be determined. Save it as UTF-8 (in "
            "Excel: `CSV UTF-8`), or convert it: iconv -f ENCODING -t UTF-8 FILE > NEW"
        )


class NoTextError(UnknownEncodingError):
    """A file that is not text, whatever its name."""

    def __init__(self, what: str) -> None:
        self.byte = 0
        ValueError.__init__(self, f"not text, but {what}")


def decode(data: bytes) -> str:
    """Return the text in some bytes.

    A byte-order mark decides; without one, regular zero bytes mean UTF-16; then UTF-8 is tried. Of older
    encodings, Windows-1252 (with Latin-1) and GB 18030 are distinguished by the characters that their texts
    use.

    Raises:
        UnknownEncodingError: If none of them fits, or two do; also for well-known files that are no text.
    """
    for magic, what in _NO_TEXT:
        if data.startswith(magic) and (magic != b"PAR1" or data.endswith(magic)):
            raise NoTextError(what)
    marked = marked_encoding(data)
    try:
        text = data.decode(marked or "utf-8")
    except UnicodeDecodeError as error:
        fitting = [text for text in (_western(data), _chinese(data)) if text is not None]
        if marked or len(fitting) != 1:
            said = next((name for mark, name in _MARKS if data.startswith(mark)), None)
            raise UnknownEncodingError(error.start, said) from None
        text = fitting[0]
    if "\0" in text:
        raise UnknownEncodingError(data.find(b"\0"))
    return text.removeprefix("\ufeff")


def marked_encoding(data: bytes) -> str | None:
    """Return the encoding indicated by a byte-order mark or the zero bytes of UTF-16, None without either."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    zeros = data[:200:2].count(0), data[1:200:2].count(0)
    if 10 * max(zeros) <= len(data[:200:2]):
        return None  # stray zeros are damage
    return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"


def _western(data: bytes) -> str | None:
    """Return Windows-1252 text, if its accented letters are Western and occur alone or in pairs."""
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    letters = re.findall(r"[^\x00-\x7f]+", text)
    fits = all(set(run) <= _WESTERN and sum(map(str.isalpha, run)) <= 2 for run in letters)
    return text if fits and not any(map(_is_shouting, letters)) else None


def _is_shouting(run: str) -> bool:
    """Whether there are runs of accented letters that no Western word has, such as "ÄÐ", which is 男."""
    return len(run) == 2 and run.isalpha() and run[0] not in "ßœæ" and (run[1].isupper() or run[0].isupper())


def _chinese(data: bytes) -> str | None:
    """Return GB 18030 text, if it uses the common characters of GB 2312 only and cannot be Korean."""
    runs = _HIGH.findall(data)
    pairs = [run[i : i + 2] for run in runs for i in range(0, len(run), 2)]
    if any(len(pair) != 2 or min(pair) < 0xA1 for pair in pairs):
        return None
    common = sum(pair[0] <= 0xD7 for pair in pairs)
    if common < 0.8 * len(pairs) or all(0xB0 <= pair[0] <= 0xC8 for pair in pairs):
        return None  # all of them could be Korean syllables
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        return None
    return text if all(map(_is_chinese, text)) else None


def _is_chinese(char: str) -> bool:
    is_kana = "\u3040" <= char <= "\u30ff"  # the rows that GB 2312 shares with Japanese
    return char.isascii() or (unicodedata.east_asian_width(char) in "WFA" and not is_kana)


def read_text(path: Path, *fallbacks: str) -> str:
    """Return the text of a file, in the first encoding that fits its bytes.

    A byte-order mark decides. Without one, zero bytes mean UTF-16; then UTF-8 is tried, then `fallbacks` in
    order, and finally Latin-1, which fits any bytes. The order of the fallbacks matters: most Latin-1 text is
    also valid GB 18030, and the other way round.

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
