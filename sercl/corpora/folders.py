"""Finding a corpus below the folder a user gives, and listing its files in a stable order."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from sercl.errors import CorpusNotFoundError


def existing_folder(root: Path | str, corpus: str) -> Path:
    """Return `root` as an absolute path.

    Raises:
        CorpusNotFoundError: Where there is no such folder.
    """
    folder = Path(root).expanduser().absolute()
    if folder.is_dir():
        return folder
    what = "is a file, not a folder" if folder.exists() else "no such folder"
    raise CorpusNotFoundError(f"{corpus}: {folder}: {what}. Give the folder that holds the corpus.")


def find_root(
    root: Path | str, corpus: str, is_root: Callable[[Path], bool], wanted: str, *, upwards: bool = False
) -> Path:
    """Return the corpus folder: `root` itself, its only sub-folder that is one, or else perhaps its parent.

    Args:
        root: What the user gave.
        corpus: Corpus name, for messages.
        is_root: Whether a folder is the corpus folder.
        wanted: What makes it one, for messages ("folders 0001 to 0020").
        upwards: Whether the parent counts. False where a part of the corpus is a fair thing to ask for, so
            that nobody gets more than they named.

    Raises:
        CorpusNotFoundError: Where nothing fits, or several sub-folders do.
    """
    folder = existing_folder(root, corpus)
    if is_root(folder):
        return folder
    below = [child for child in visible(folder) if child.is_dir() and is_root(child)]
    if len(below) == 1:
        return below[0]
    if not below and upwards and is_root(folder.parent):
        return folder.parent
    raise _not_found(folder, corpus, wanted, below or [folder.parent] * is_root(folder.parent))


def not_found(folder: Path, corpus: str, wanted: str) -> CorpusNotFoundError:
    """Return the error that says what was looked for in `folder` and what is there."""
    return _not_found(folder, corpus, wanted, [])


def visible(folder: Path) -> list[Path]:
    """Return what lies in `folder`, sorted by name, without hidden entries and the `._*` files of macOS."""
    return sorted(child for child in folder.iterdir() if _is_visible(child.name))


def files_below(folder: Path, suffixes: Iterable[str]) -> list[Path]:
    """Return every visible file below `folder` with one of `suffixes` (lower case, with dot), sorted."""
    endings, found = tuple(suffixes), []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if _is_visible(name)]
        found += [
            Path(parent, name) for name in names if _is_visible(name) and name.lower().endswith(endings)
        ]
    return sorted(found)


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"


def _not_found(folder: Path, corpus: str, wanted: str, instead: list[Path]) -> CorpusNotFoundError:
    names = [child.name + "/" * child.is_dir() for child in visible(folder)]
    shown = ", ".join(names[:5]) + (f", ... ({len(names)} entries)" if len(names) > 5 else "")
    hint = f" Did you mean {' or '.join(map(str, instead))}?" if instead else " Give the corpus's own folder."
    return CorpusNotFoundError(
        f"{corpus}: {folder}: looked for {wanted}, found {shown or 'an empty folder'}.{hint}"
    )
