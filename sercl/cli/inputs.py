"""Files, folders and patterns of a command line -> audio files, and messages for those that fail."""

import glob
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from sercl.cli.console import stderr
from sercl.corpora.folders import AUDIO_SUFFIXES, has_audio_below, walk
from sercl.errors import CheckpointError, UsageError
from sercl.files import at_home
from sercl.tasks.checkpoint_paths import checkpoints_of

CHECKPOINT_SUFFIX = ".ckpt"
_OF_RUN = ("config.yaml", "results.json", "best.ckpt")
"""Files of which one is in every folder of a run."""
_SHOWN = 5
_USUAL = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff")
_NO_STDIN = "standard input is not read. Save it to a file first: ... > recording.wav"
_DEEPER = "audio in subfolders is left out: add --recursive"


@dataclass(frozen=True)
class Inputs:
    """The files that command line arguments refer to.

    Attributes:
        files: Files to read, each once, in the order of the arguments, sorted within each.
        unmatched: (argument or path, reason) for every argument without a file, broken link, and folder that
            cannot be opened.
        left_out: (argument, reason) for non-audio files in a folder.
    """

    files: tuple[Path, ...]
    unmatched: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[str, str], ...] = ()


def find_inputs(words: Iterable[str], recursive: bool = False) -> Inputs:
    """Return the audio files that arguments refer to.

    In a folder, audio is recognised by its suffix; a file given explicitly may have any. Links are followed;
    hidden files are left out, as `sercl.corpora.folders.walk` says.

    Args:
        words: Files, folders, and patterns with `*`, `?`, `[...]` or `**` that the shell has not expanded.
        recursive: Include subfolders.

    Raises:
        UsageError: If no argument refers to any file.
    """
    found = [_expand(word, recursive) for word in words]
    files = dict.fromkeys(file for item in found for file in item.files)
    failed = [pair for item in found for pair in item.failed]
    left_out = [pair for item in found for pair in item.left_out]
    if not files:
        reasons = "\n".join(f"{word}: {reason}" for word, reason in failed)
        raise UsageError(f"nothing to predict.\n{reasons}")
    return Inputs(tuple(files), tuple(failed), tuple(left_out))


def split_checkpoint(words: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """Return the checkpoint that the first argument names, None if it is audio, and the other arguments.

    A checkpoint ends in .ckpt, or is a file as torch writes it, or the folder of a run.

    Raises:
        CheckpointError: If the first argument is missing and has the name of neither.
        UsageError: For a checkpoint without recordings, or in another place.
    """
    if late := [word for word in words[1:] if word.endswith(CHECKPOINT_SUFFIX)]:
        raise UsageError(f"{late[0]}: a checkpoint must be the first argument, before the recordings.")
    first, path = words[0], at_home(words[0])
    if not is_checkpoint(path):
        if not path.exists() and not (path.suffix.lower() in AUDIO_SUFFIXES or _is_odd(first, path)):
            raise CheckpointError(
                f"{first}: does not exist. The first argument is a checkpoint, such as RUN/best.ckpt, or a "
                "recording, which the starter model then predicts."
            )
        return None, words
    if len(words) == 1:
        raise UsageError(f"{first}: a checkpoint, but no recording: sercl predict {first} FILE_OR_FOLDER")
    return first, words[1:]


def _is_odd(word: str, path: Path) -> bool:
    """Whether a missing path is one that `find_inputs` explains."""
    return word == "-" or path.is_symlink() or glob.has_magic(word)


def is_checkpoint(path: Path) -> bool:
    """Return whether a path is a checkpoint by its suffix or content, or the folder of a run."""
    if path.is_dir():
        return any((path / name).is_file() for name in _OF_RUN) or any(path.glob("fold-*/config.yaml"))
    return path.suffix == CHECKPOINT_SUFFIX or (path.is_file() and zipfile.is_zipfile(path))


def check_checkpoint(name: str) -> None:
    """Raise `CheckpointError` as `checkpoints_of`, before anything heavy is imported."""
    checkpoints_of(at_home(name))


def report_left_out(inputs: Inputs) -> None:
    """Print which files in the folders are not audio, which is not a failure."""
    for word, reason in inputs.left_out:
        stderr.print(Text(f"{word}: {reason}", style="yellow"), soft_wrap=True)


def report_failure(source: str, reason: str) -> str:
    """Print why an input could not be used, and return it."""
    stderr.print(Text.assemble(("error: ", "red"), f"{source}: {reason}"), soft_wrap=True)
    return source


def conclude(failed: int, total: int) -> int:
    """Print how many inputs were skipped, and return the exit code."""
    if not failed:
        return 0
    stderr.print(f"{failed} of {total} inputs could not be used; see above.")
    return 1


@dataclass(frozen=True)
class _Found:
    """The files of one argument, those left out, and failures."""

    files: Sequence[Path] = ()
    left_out: Sequence[tuple[str, str]] = ()
    failed: Sequence[tuple[str, str]] = ()


def _expand(word: str, recursive: bool) -> _Found:
    path = at_home(word)
    if word == "-" and not path.exists():
        return _Found(failed=[(word, _NO_STDIN)])
    if path.is_dir():
        return _in_folder(word, path, recursive)
    if path.exists():
        return _Found([path])
    if path.is_symlink():
        return _Found(failed=[(word, f"a link to {path.readlink()}, which does not exist.")])
    if not glob.has_magic(word):
        return _Found(failed=[(word, f"no such file or folder. Paths are relative to {Path.cwd()}.")])
    matches = map(Path, glob.iglob(word, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    found = sorted((match for match in matches if match.is_file()), key=lambda path: (len(path.parts), path))
    # A cycle of links would list each file dozens of times.
    files = sorted({path.resolve(): path for path in reversed(found)}.values())
    return _Found(files) if files else _Found(failed=[(word, "no file matches this pattern.")])


def _in_folder(word: str, folder: Path, recursive: bool) -> _Found:
    found = walk(folder, recursive)
    deeper = not recursive and has_audio_below(folder)
    failed = [(str(problem.path), problem.reason) for problem in found.problems]
    if not found.audio and not failed:
        return _Found(failed=[(word, _nothing(deeper, found.others))])
    left_out = [(word, reason) for reason in (_others(found.others), _DEEPER if deeper else "") if reason]
    return _Found(found.audio, left_out, failed)


def _nothing(deeper: bool, others: Mapping[str, int]) -> str:
    if deeper:
        return "no audio directly in this folder, but in its subfolders: add --recursive."
    there = f"; {_others(others)}" if others else ""
    rarer = len(AUDIO_SUFFIXES) - len(_USUAL)
    return (
        f"no audio in this folder{there}. Audio files end in {', '.join(_USUAL)} or one of {rarer} rarer "
        "suffixes. A file that is named itself is read whatever its suffix."
    )


def _others(others: Mapping[str, int]) -> str:
    """Return a summary of files that are not audio by suffix: "3 files are not audio (.txt 2, .json 1)"."""
    if not others:
        return ""
    shown = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    names = ", ".join(f"{suffix or 'no suffix'} {count}" for suffix, count in shown[:_SHOWN])
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    total = sum(others.values())
    return f"{total} file{'s are' if total > 1 else ' is'} not audio by suffix ({names}{more})"
