"""The normal form of a text cell from a manifest, label file, file name or fold list.

Cells that look the same have the same normal form: macOS writes "é" as two characters, spreadsheets add
no-break and zero-width spaces, pandas turns 3 into "3.0" and nothing into "nan".
"""

import json
import re
import unicodedata
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

_MISSING = frozenset(
    [
        "nan",
        "none",
        "na",
        "n/a",
        "n.a.",
        "nil",
        "null",
        "unknown",
        "unk",
        "unspecified",
        "undefined",
        "missing",
        "?",
        "??",
        "-",
        "--",
        "–",
        "—",
        ".",
        "<na>",
        "#n/a",
        "#na",
        "<null>",
        "(null)",
        "unbekannt",
        "inconnu",
        "inconnue",
        "desconocido",
        "desconocida",
        "sconosciuto",
        "неизвестно",
        "未知",
        "不明",
        "无",
        "無",
    ]
)
_MISSING_TEXT = frozenset(("nan", "NaN", "<NA>", "#N/A", "null", "NULL", "None"))
_JOINERS = "\u200c\u200d"
_WHOLE_NUMBER = re.compile(r"(\d+)\.0+")


def text_of(cell: object) -> str:
    """Return a cell as text: numbers and lists (of JSON and Parquet) as JSON writes them.

    Bytes of Parquet are decoded, and its durations become seconds.
    """
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bytes):
        return cell.decode("utf-8", errors="replace")
    if isinstance(cell, timedelta):
        return repr(cell.total_seconds())
    if isinstance(cell, Decimal | date):
        return str(cell)
    return json.dumps(cell, ensure_ascii=False, default=str)


@lru_cache(maxsize=1 << 13)
def clean(text: str) -> str:
    """Return text in Unicode NFC, without invisible characters, with single spaces inside and none around it.

    Zero-width joiners inside a text are kept: Persian and Hindi need them.
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip(" ")
    spaced = "".join(" " if char.isspace() else char for char in text if _is_visible(char))
    return " ".join(unicodedata.normalize("NFC", spaced).split()).strip(f" {_JOINERS}")


@lru_cache(maxsize=1 << 13)
def key_of(text: str) -> str:
    """Return a key that ignores case and width of letters: equal for two spellings of one name."""
    plain = clean(text)
    if plain.isascii():
        return plain.lower()
    for _ in range(2):  # once is not enough where folding gives what composes anew
        plain = unicodedata.normalize("NFKC", plain).casefold()
    visible = "".join(char for char in unicodedata.normalize("NFKC", plain) if char not in _JOINERS)
    return clean(visible)


def is_missing(text: str) -> bool:
    """Whether a cell means "unknown": it is empty, "nan", "None", "N/A", "unknown", "-" and the like."""
    key = key_of(text)
    return not key or key in _MISSING


def word_of(cell: object) -> str | None:
    """Return the normal form of a name or word; None if it means "unknown".

    A whole number written as floating point ("3.0") becomes a whole number ("3"); "03" stays "03".
    """
    if cell is None:
        return None
    word = clean(text_of(cell))
    if is_missing(word):
        return None
    return whole_number(word)


def whole_number(word: str) -> str:
    """Return a word; a whole number written as floating point ("3.0") becomes a whole number ("3")."""
    number = _WHOLE_NUMBER.fullmatch(word)
    return number[1] if number else word


def prose_of(cell: object) -> str | None:
    """Return the normal form of free text, where "none" and "unknown" may be spoken words."""
    if cell is None:
        return None
    prose = clean(text_of(cell))
    return None if not prose or prose in _MISSING_TEXT else prose


@lru_cache(maxsize=4096)
def _is_visible(char: str) -> bool:
    if char.isspace() or char in _JOINERS:
        return True
    return unicodedata.category(char) not in ("Cc", "Cf")
