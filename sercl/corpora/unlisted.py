"""Audio beside a table that no row of it names: an export that was cut short, takes that were left out."""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path

from sercl.corpora.base import Unlisted
from sercl.corpora.folders import AUDIO_SUFFIXES, files_of
from sercl.counting import count

MOST_FILES = 200_000
"""Files that are looked at where a table has few rows: it may lie in a folder of anything."""


def unlisted_audio(table: Path, named: Sequence[Path]) -> Unlisted | None:
    """Return what is to be said of audio that no row names, None where there is none.

    Where rows name files that lie directly beside the table, everything below its folder is looked through.
    Else, what lies directly beside it, and everything in those folders beside it that rows lead into. Of rows
    that lead elsewhere (absolute paths, `..`), only the very folders that hold their files. Hidden files do
    not count, nor do links to files that are found themselves.

    Args:
        table: The table, whose folder is where relative paths start.
        named: The files of all rows, also of those that are not used.
    """
    real: Callable[[Path], Path] = cache(lambda path: Path(os.path.realpath(path)))
    paths = [path for path in named if "\0" not in str(path)]
    known = {_target(path, real) for path in paths}
    most = max(MOST_FILES, 4 * len(known))
    seen = list(islice(_files(table.parent, paths), most))
    audio = {path for path in seen if path.suffix.lower() in AUDIO_SUFFIXES}
    left = sorted(path for path in audio if _target(path, real) not in known)
    if not left:
        return None
    number = f"{'at least ' if len(seen) == most else ''}{count(len(left), 'audio file')}"
    verb = "is" if len(left) == 1 else "are"
    place = os.path.commonpath([path.parent for path in left])
    absent = f"in no row of {table.name}"
    return Unlisted(
        f"{number} below {place} {verb} {absent} and {verb} not used (first: {left[0]})",
        f"{number} beside it {absent}",
    )


def _files(folder: Path, named: Sequence[Path]) -> Iterator[Path]:
    below = [path.parts[len(folder.parts) :] for path in named if _is_below(path, folder)]
    if any(len(parts) == 1 for parts in below):
        yield from files_of(folder)
    elif below:
        yield from files_of(folder, recursive=False)
        for name in sorted({parts[0] for parts in below}):
            yield from files_of(folder / name)
    for place in sorted({path.parent for path in named if not _is_below(path, folder)}):
        yield from files_of(place, recursive=False)


def _is_below(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder) and ".." not in path.parts


def _target(path: Path, real: Callable[[Path], Path]) -> Path:
    """Return the file that a path leads to; each folder is asked about once."""
    return Path(os.path.realpath(path)) if _is_link(path) else real(path.parent) / path.name


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:  # a name of a thousand characters
        return False
