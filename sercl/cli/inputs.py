"""Files, folders and patterns of a command line -> audio files, and what is said of those that fail."""

import glob
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from sercl.cli.console import stderr
from sercl.errors import UsageError

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".w64", ".sph"})
"""What counts as audio in a folder; a file that is named itself may have any suffix."""


@dataclass(frozen=True)
class Inputs:
    """What the words of a command line stand for.

    Attributes:
        files: Files to read, each once, in the order of the words, sorted within a word.
        unmatched: (word, reason) for every word that stands for no file.
    """

    files: tuple[Path, ...]
    unmatched: tuple[tuple[str, str], ...]


def find_inputs(words: Iterable[str], recursive: bool = False) -> Inputs:
    """Return the audio files that words stand for.

    Args:
        words: Files, folders, and patterns with `*`, `?`, `[...]` or `**` that the shell has not expanded.
        recursive: Take the folders below a folder, too.

    Raises:
        UsageError: Where no word stands for any file.
    """
    files: dict[Path, None] = {}
    unmatched: list[tuple[str, str]] = []
    for word in words:
        found = _expand(word, recursive)
        if isinstance(found, str):
            unmatched.append((word, found))
        else:
            files.update(dict.fromkeys(found))
    if not files:
        reasons = "\n".join(f"{word}: {reason}" for word, reason in unmatched)
        raise UsageError(f"nothing to predict.\n{reasons}")
    return Inputs(tuple(files), tuple(unmatched))


def report_failure(source: str, reason: str) -> str:
    """Print why an input could not be used, and return it."""
    stderr.print(Text.assemble(("error: ", "red"), f"{source}: {reason}"), soft_wrap=True)
    return source


def conclude(failed: int, total: int) -> int:
    """Say how many inputs were left out, and return the exit code."""
    if not failed:
        return 0
    stderr.print(f"{failed} of {total} inputs could not be used; see above.")
    return 1


def _expand(word: str, recursive: bool) -> list[Path] | str:
    """Return the files of one word, or why there are none."""
    path = Path(word)
    if path.is_dir():
        return sorted(_audio_below(path, recursive)) or _empty_folder(path, recursive)
    if path.exists():
        return [path]
    if not glob.has_magic(word):
        return f"no such file or folder. Paths start at {Path.cwd()}."
    matches = map(Path, glob.iglob(word, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    return sorted(match for match in matches if match.is_file()) or "no file matches this pattern."


def _empty_folder(folder: Path, recursive: bool) -> str:
    if not recursive and any(_audio_below(folder, recursive=True)):
        return "no audio directly in this folder, but in folders below: add --recursive."
    return f"no audio in this folder ({', '.join(sorted(AUDIO_SUFFIXES))})."


def _audio_below(folder: Path, recursive: bool) -> Iterator[Path]:
    for path in folder.rglob("*") if recursive else folder.iterdir():
        # macOS leaves "._name.wav" files beside the real ones.
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".") and path.is_file():
            yield path
