"""Finding a corpus below the folder a user gives, and listing its files in a stable order."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice
from pathlib import Path

from sercl.corpora.base import Problem, Unlisted, Utterance
from sercl.corpora.cells import clean
from sercl.counting import count
from sercl.errors import CorpusNotFoundError
from sercl.files import at_home, exists, is_dir, is_file

# fmt: off
DECODED_SUFFIXES = frozenset((
    ".8svx", ".aif", ".aifc", ".aiff", ".au", ".avr", ".bwf", ".caf", ".fap", ".flac", ".gsm",
    ".htk", ".iff", ".ircam", ".mp2", ".mp3", ".mpc", ".nist", ".oga", ".ogg", ".opus", ".paf",
    ".pvf", ".rf64", ".sd2", ".sds", ".sf", ".snd", ".sph", ".svx", ".voc", ".vox", ".w64", ".wav",
    ".wave", ".wavex", ".wve", ".xi",
))
"""Suffixes that libsndfile decodes, except `.mat`: MATLAB files are hardly ever speech."""

FOREIGN_SUFFIXES = frozenset((
    ".aac", ".ac3", ".adts", ".al", ".alaw", ".amr", ".ape", ".awb", ".dff", ".dsf", ".dss", ".m4a",
    ".m4b", ".mka", ".pcm", ".ra", ".raw", ".shn", ".sln", ".spx", ".tta", ".ul", ".ulaw", ".weba",
    ".webm", ".wma", ".wv",
))
# fmt: on
"""Suffixes of audio that libsndfile does not decode: such files are listed, and then refused."""

AUDIO_SUFFIXES = DECODED_SUFFIXES | FOREIGN_SUFFIXES


def existing_folder(root: Path | str, corpus: str) -> Path:
    """Return `root` as an absolute path.

    Raises:
        CorpusNotFoundError: If the folder does not exist.
    """
    folder = at_home(root).absolute()
    if is_dir(folder):
        return folder
    what = "is a file, not a folder" if exists(folder) else "no such folder"
    raise CorpusNotFoundError(f"{corpus}: {folder}: {what}. Give the folder that holds the corpus.")


def find_root(
    root: Path | str, corpus: str, is_root: Callable[[Path], bool], wanted: str, *, upwards: bool = False
) -> Path:
    """Return the corpus folder: `root`, its only sub-folder that is one, or (if allowed) its parent.

    Args:
        root: What the user gave.
        corpus: Corpus name, for messages.
        is_root: Whether a folder is the corpus folder.
        wanted: What makes it one, for messages ("folders 0001 to 0020").
        upwards: Whether the parent may be the corpus folder. False for corpora of which a part may be given,
            so that nobody gets more than they named.

    Raises:
        CorpusNotFoundError: If no folder fits, or several sub-folders do.
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
    """Return the error that says what was expected in `folder` and what was found."""
    return _not_found(folder, corpus, wanted, [])


def visible(folder: Path) -> list[Path]:
    """Return the entries of `folder` by name, without hidden ones and the `._*` files of macOS."""
    return sorted(child for child in folder.iterdir() if _is_visible(child.name))


@dataclass(frozen=True)
class Walk:
    """The content of a folder and all below it; see `walk`.

    Attributes:
        audio: Audio files, sorted.
        problems: Broken links, and folders that cannot be opened.
        others: Suffix ("" for none) -> number of other files.
    """

    audio: tuple[Path, ...]
    problems: tuple[Problem, ...]
    others: Mapping[str, int]


def walk(folder: Path, recursive: bool = True) -> Walk:
    """Find all audio below a folder by its suffix (`AUDIO_SUFFIXES`, in any case).

    Links are followed and each folder is entered once, so loops of links end; a link to a file that is found
    anyway is skipped. Hidden entries are skipped: names that begin with a dot (including the `._*` files of
    macOS), `__MACOSX` and `@eaDir`.

    Args:
        folder: Where to look.
        recursive: Whether to enter the folders below, too.
    """
    audio, problems, others = [], [], Counter[str]()
    for path, trouble in _Walker(folder, recursive).entries():
        if trouble is not None:
            problems.append(trouble)
        elif _is_audio(path):
            audio.append(path)
        else:
            others[path.suffix.lower()] += 1
    return Walk(tuple(sorted(audio)), tuple(sorted(problems, key=lambda item: item.path)), others)


def _is_audio(path: Path) -> bool:
    return path.suffix.lower() in AUDIO_SUFFIXES


def files_of(folder: Path, recursive: bool = True) -> Iterator[Path]:
    """Yield the files that `walk` finds, one by one, without unreachable ones."""
    return (path for path, trouble in _Walker(folder, recursive).entries() if trouble is None)


def has_audio_below(folder: Path) -> bool:
    """Return whether there is audio in the folders below a folder; stops at the first file."""
    entries = _Walker(folder, recursive=True).entries()
    return any(trouble is None and path.parent != folder and _is_audio(path) for path, trouble in entries)


class AudioFolder:
    """The audio of a corpus, of which a reader accounts for every file.

    Args:
        folder: The corpus folder.

    Attributes:
        files: Every audio file below it, sorted.
        problems: Folders and links that could not be read.
    """

    def __init__(self, folder: Path) -> None:
        found = walk(folder)
        self.files, self.problems = found.audio, found.problems
        self._known = set(found.audio)
        self._claimed: set[Path] = set()

    def find(self, path: Path) -> Path | None:
        """Return the file that a corpus calls `path`, possibly with another suffix; None if there is none.

        The file counts as accounted for.
        """
        found = path if path in self._known else self._similar(path)
        if found is not None:
            self._claimed.add(found)
        return found

    def rest(self, why: Callable[[Path], Utterance | Problem]) -> list[Utterance | Problem]:
        """Return a problem for every file that was not asked for with `find`.

        Args:
            why: Called with each such file, except copies in another format of files that are used.
        """
        left = [path for path in self.files if path not in self._claimed]
        used = {self._key(path): path for path in self._claimed}
        found: list[Utterance | Problem] = []
        for path in sorted(left, key=lambda path: (*format_rank(path), path)):
            first = used.setdefault(self._key(path), path)
            found.append(why(path) if first is path else another_format(path, first))
        return found

    def _similar(self, path: Path) -> Path | None:
        same = self._by_name.get(self._key(path), [])
        exact = [known for known in same if known.name == path.name]
        if not same and is_file(path):  # a link to a file that is listed itself
            return self._by_target.get(path.resolve())
        return next(iter((*exact, *same)), None)

    def _key(self, path: Path) -> tuple[Path, str]:
        """Return a key of a file's folder and stem, the same for all links to that folder."""
        return self._resolved(path.parent), clean(path.stem)

    @cached_property
    def _resolved(self) -> Callable[[Path], Path]:
        return cache(Path.resolve)

    @cached_property
    def _by_name(self) -> dict[tuple[Path, str], list[Path]]:
        groups: dict[tuple[Path, str], list[Path]] = {}
        for path in sorted(self.files, key=lambda path: (*format_rank(path), path)):
            groups.setdefault(self._key(path), []).append(path)
        return groups

    @cached_property
    def _by_target(self) -> dict[Path, Path]:
        return {path.resolve(): path for path in self.files}


def another_format(path: Path, used: Path) -> Problem:
    """Return the problem of a file that is a copy of `used` in another format; no utterance is lost."""
    return Problem(path, f"{used.stem} in another format; {used} is used", kind="copy")


def format_rank(path: Path) -> tuple[bool, bool]:
    """Return a sort key for formats of one recording: wav, then what libsndfile reads, then others."""
    suffix = path.suffix.lower()
    return suffix != ".wav", suffix not in DECODED_SUFFIXES


class _Walker:
    """Goes through real folders first, then through links to folders, then through links to files."""

    def __init__(self, root: Path, recursive: bool) -> None:
        self._root, self._recursive = root, recursive
        self._entered: set[tuple[int, int]] = set()
        self._links_to_folders: list[Path] = []
        self._links_to_files: list[Path] = []

    def entries(self) -> Iterator[tuple[Path, Problem | None]]:
        """Yield every visible file, with the problem if it cannot be reached."""
        yield from self._enter(self._root)
        while self._links_to_folders:
            # Of several links to one folder, the one of its name comes first: folder names identify speakers.
            link = min(self._links_to_folders, key=lambda link: (link.name != link.resolve().name, link))
            self._links_to_folders.remove(link)
            if not self._is_loop(link):
                yield from self._enter(link)
        seen: set[tuple[Path, str]] = set()
        for link in sorted(self._links_to_files):
            target = link.resolve()
            if not self._is_found_itself(target) and (target, link.name) not in seen:
                seen.add((target, link.name))
                yield link, None

    def _enter(self, folder: Path) -> Iterator[tuple[Path, Problem | None]]:
        waiting = [folder]
        while waiting:
            current = waiting.pop()
            try:
                if (identity := _identity(current)) in self._entered:
                    continue
                self._entered.add(identity)
                with os.scandir(current) as entries:
                    here = sorted((entry for entry in entries if _is_visible(entry.name)), key=_name_of)
            except OSError as error:
                yield current, Problem(current, f"cannot be opened ({error.strerror})", kind="unreadable")
                continue
            for entry in here:
                yield from self._take(entry, current / entry.name, waiting)

    def _take(
        self, entry: os.DirEntry[str], path: Path, waiting: list[Path]
    ) -> Iterator[tuple[Path, Problem | None]]:
        if entry.is_symlink():
            yield from self._take_link(entry, path)
        elif entry.is_dir():
            waiting += [path] * self._recursive
        elif entry.is_file():
            yield path, None
        elif _is_audio(path):
            yield path, Problem(path, "not a regular file", kind="unreadable")

    def _take_link(self, entry: os.DirEntry[str], path: Path) -> Iterator[tuple[Path, Problem | None]]:
        if _leads_to(entry.is_dir):
            self._links_to_folders += [path] * self._recursive
        elif _leads_to(entry.is_file):
            self._links_to_files.append(path)
        elif _is_audio(path) or not path.suffix[1:].isalpha():  # or perhaps a folder
            yield path, Problem(path, f"a link to {_target_of(path)}, which does not exist", kind="missing")

    def _is_loop(self, link: Path) -> bool:
        target = link.resolve()
        return any(path.resolve().is_relative_to(target) for path in (self._root, link.parent))

    def _is_found_itself(self, target: Path) -> bool:
        try:
            return _is_visible(target.name) and _identity(target.parent) in self._entered
        except OSError:  # its target is gone, or is not a file on a disk (/proc)
            return False


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _name_of(entry: os.DirEntry[str]) -> str:
    return entry.name


def _target_of(link: Path) -> str:
    """Return the target of a link, as written in it."""
    try:
        return os.readlink(link)  # noqa: PTH115 - a Path would change how it is written
    except OSError:  # gone by now
        return "a file"


def _leads_to(kind: Callable[[], bool]) -> bool:
    try:
        return kind()
    except OSError:  # a link to itself
        return False


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name not in ("__MACOSX", "@eaDir")


def _not_found(folder: Path, corpus: str, wanted: str, instead: list[Path]) -> CorpusNotFoundError:
    names = [child.name + "/" * child.is_dir() for child in visible(folder)]
    shown = ", ".join(names[:5]) + (f", ... ({len(names)} entries)" if len(names) > 5 else "")
    hint = f" Did you mean {' or '.join(map(str, instead))}?" if instead else " Give the corpus's own folder."
    return CorpusNotFoundError(
        f"{corpus}: {folder}: looked for {wanted}, found {shown or 'an empty folder'}.{hint}"
    )


MOST_FILES = 200_000
"""Maximum number of files inspected beside a table with few rows: it may lie in a large, unrelated folder."""


def unlisted_audio(table: Path, named: Sequence[Path]) -> Unlisted | None:
    """Return a note on audio that no row names; None if there is none.

    If rows name files directly beside the table, its whole folder is searched. Otherwise only the files
    directly beside it and the folders that rows name are. For rows that point elsewhere (absolute paths,
    `..`), only the folders that hold their files are. Hidden files do not count, nor do links to files that
    are found anyway.

    Args:
        table: The table, whose folder is where relative paths start.
        named: The files of all rows, including rows that are not used.
    """
    paths = {path for path in named if "\0" not in str(path)}
    files, most = _files(table.parent, paths), max(MOST_FILES, 4 * len(paths))
    others = {path for path in islice(files, most) if path not in paths and _is_audio(path)}
    left = sorted(_without_links_to(paths, others))
    if not left:
        return None
    number = f"{'at least ' if next(files, None) else ''}{count(len(left), 'audio file')}"
    verb = "is" if len(left) == 1 else "are"
    common = os.path.commonpath([path.parent for path in left])
    absent = f"in no row of {table.name}"
    return Unlisted(
        f"{number} below {common} {verb} {absent} and {verb} not used (first: {left[0]})",
        f"{number} beside it {absent}",
    )


def _files(folder: Path, named: Iterable[Path]) -> Iterator[Path]:
    parents = {path.parent for path in named}
    below = {parent for parent in parents if _is_below(parent, folder)}
    if folder in below:
        yield from files_of(folder)
    elif below:
        yield from files_of(folder, recursive=False)
        for name in sorted({parent.parts[len(folder.parts)] for parent in below}):
            yield from files_of(folder / name)
    for parent in sorted(parents - below):
        yield from files_of(parent, recursive=False)


def _is_below(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder) and ".." not in path.parts


def _without_links_to(known: Collection[Path], others: Collection[Path]) -> set[Path]:
    """Return the paths of `others` that lead to no file of `known`."""
    if not others:  # as for most tables; links of a large one take seconds
        return set()
    real: Callable[[Path], Path] = cache(lambda path: Path(os.path.realpath(path)))
    targets = {_target(path, real) for path in known}
    return {path for path in others if _target(path, real) not in targets}


def _target(path: Path, real: Callable[[Path], Path]) -> Path:
    """Return the file that a path leads to; each folder is resolved only once."""
    return Path(os.path.realpath(path)) if _is_link(path) else real(path.parent) / path.name


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:  # a name of a thousand characters
        return False
