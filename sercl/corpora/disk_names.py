"""Finding the file that a table names, even if table and disk write its name differently."""

import os
import re
import time
from functools import lru_cache
from pathlib import Path, PurePosixPath

from sercl.corpora.cells import clean, key_of
from sercl.files import at_home, is_file

_FORMS = (clean, key_of)
_Names = tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\[^\\]")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|file:/", re.IGNORECASE)


def file_named(folder: Path, name: str) -> Path:
    r"""Return the path of a file that a table names, whether it exists or not.

    That is the name as written, if such a file exists. Otherwise other forms of it are tried: without
    surrounding white space, with `/` instead of the `\` of Windows, below the home folder for `~`, in another
    Unicode form (macOS writes "é" as two characters), with other invisible characters, or, if that matches a
    single file, in another case.

    Args:
        folder: Folder that relative names start from.
        name: As written in the table.
    """
    written = folder / name
    if "\0" in name or is_file(written):
        return written
    for text in (name.strip(), _slashed(name)):
        if is_file(folder / text):
            return folder / text
    plain = _slashed(name)
    if plain.startswith("~/"):
        plain = str(at_home(plain))
    return _alike(folder, PurePosixPath(plain)) or folder / plain


def foreign_hint(name: str) -> str:
    r"""Return why a name cannot be a file of this machine, and what to do; "" if it can.

    Such names are paths of a Windows drive or server (`C:\data\a.wav`) on another system, and addresses
    (`https://host/a.wav`, `s3://bucket/a.wav`).
    """
    text = name.strip().strip("\ufeff\u200b")
    if _WINDOWS.match(text) and os.name != "nt":
        return (
            f": {text!r} is an absolute path of a Windows machine. Write paths relative to the table's "
            r"folder (wav/a.wav or wav\a.wav), or as they are on this machine"
        )
    if _ADDRESS.match(text):
        return (
            f": {text!r} is an address, not a path; nothing is fetched. Copy the file here, and write its "
            "path relative to the table's folder"
        )
    return ""


def _slashed(name: str) -> str:
    return name.strip().strip("\ufeff\u200b").replace("\\", "/")


def _alike(folder: Path, name: PurePosixPath) -> Path | None:
    """Return the only file whose parts have the normal form of the name's, None without one."""
    current, parts = folder, name.parts
    if name.is_absolute():
        current, parts = Path(parts[0]), parts[1:]
    for part in parts:
        if part == "..":
            current = current.parent
            continue
        same, alike = (
            names.get(form(part), ()) for names, form in zip(_entries(current), _FORMS, strict=True)
        )
        found = same or alike
        if (current / part).name in found:
            current = current / part
        elif len(found) == 1:
            current = current / found[0]
        else:
            return None
    return current if is_file(current) else None


_STEP = 2 * 10**9
"""Nanoseconds within which a file system may give two changes of a folder the same time."""


@lru_cache(maxsize=1024)
def _listed(folder: str, changed: int) -> _Names:
    """Return the names in a folder by each of their forms; `changed` invalidates cached entries."""
    first: dict[str, tuple[str, ...]] = {}
    second: dict[str, tuple[str, ...]] = {}
    for name in sorted(child.name for child in Path(folder).iterdir()):
        for names, form in zip((first, second), _FORMS, strict=True):
            names[form(name)] = (*names.get(form(name), ()), name)
    return first, second


def _entries(folder: Path) -> _Names:
    try:
        changed = folder.stat().st_mtime_ns
        is_new = abs(time.time_ns() - changed) < _STEP
        return (_listed.__wrapped__ if is_new else _listed)(str(folder), changed)
    except (OSError, ValueError):
        return {}, {}
