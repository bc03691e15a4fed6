"""The formats of segment files, and how the format of a file is chosen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sercl.diarization.formats import audacity, csvfile, jsonfile, rttm, textgrid
from sercl.diarization.formats.rows import NO_NAMES, Names
from sercl.diarization.segments import Annotation
from sercl.errors import SegmentError, UnknownNameError
from sercl.files import at_home

Read = Callable[[Path, Names], list[Annotation]]
Write = Callable[[Sequence[Annotation], Path], list[Path]]


@dataclass(frozen=True)
class Format:
    """A format of segment files.

    Attributes:
        suffix: Suffix of its files.
        read: Reads a file: path and names of labels -> annotations.
        write: Writes files: annotations and path -> files written.
        written: Regular expression for what `write` has written, and most other programs have not.
    """

    suffix: str
    read: Read
    write: Write
    written: str


def _together(write: Callable[[Sequence[Annotation], Path], None]) -> Write:
    """Return a writer for formats with several recordings per file."""

    def write_all(items: Sequence[Annotation], path: Path) -> list[Path]:
        write(items, path)
        return [path]

    return write_all


def _one_by_one(write: Callable[[Annotation, Path], None], suffix: str) -> Write:
    """Return a writer for formats with one recording per file, which writes several into a folder."""

    def write_each(items: Sequence[Annotation], path: Path) -> list[Path]:
        alone = len(items) == 1 and path.suffix.lower() == suffix.lower()
        files = [path] if alone else [path / f"{item.id}{suffix}" for item in items]
        for item, file in zip(items, files, strict=True):
            write(item, file)
        return files

    return write_each


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "json": Format(".json", jsonfile.read, _together(jsonfile.write), r'\A\{\n "recordings": \['),
        "rttm": Format(".rttm", rttm.read, _together(rttm.write), rttm.WRITTEN),
        "textgrid": Format(
            ".TextGrid", textgrid.read, _one_by_one(textgrid.write, ".TextGrid"), textgrid.WRITTEN
        ),
        "audacity": Format(".txt", audacity.read, _one_by_one(audacity.write, ".txt"), audacity.WRITTEN),
        "csv": Format(".csv", csvfile.read, _together(csvfile.write), csvfile.WRITTEN),
    }
)
"""All formats by name."""


def read_segments(path: Path | str, format: str | None = None, names: Names = NO_NAMES) -> list[Annotation]:
    """Read the segments of one recording or of several.

    Args:
        path: A file, or a folder whose files of known suffix are read, in order of their names.
        format: A name of `FORMATS`; None chooses by the suffix.
        names: A tool's own labels -> emotions, for labels that are not common words for an emotion.

    Raises:
        SegmentError: With file and line, for anything unreadable or invalid; also for a folder without
            segment files, and for a recording that is in two files.
        UnknownNameError: For an unknown format or suffix.
    """
    source = at_home(path)
    if not source.is_dir():
        return _format(source, format).read(source, names)
    suffixes = {kind.suffix.lower() for name, kind in FORMATS.items() if format in (None, name)}
    files = sorted(file for file in source.iterdir() if file.suffix.lower() in suffixes)
    if not files:
        raise SegmentError(f"holds no segment file ({', '.join(sorted(suffixes))}).", path=source)
    found: dict[str, Path] = {}
    items = []
    for file in files:
        for item in _format(file, format).read(file, names):
            if found.setdefault(item.id, file) != file:
                raise SegmentError(f"recording {item.id!r} is also in {found[item.id].name}.", path=file)
            items.append(item)
    return items


def write_segments(items: Sequence[Annotation], path: Path | str, format: str | None = None) -> list[Path]:
    """Write the segments of one recording or of several.

    Args:
        items: The annotations.
        path: The file. For formats with one recording per file it is a folder, whose files are named after
            the recordings, unless there is one recording and `path` ends in the format's suffix.
        format: A name of `FORMATS`; None chooses by the suffix.

    Returns:
        The files written.

    Raises:
        UnknownNameError: For an unknown format or suffix.
        SegmentError: For something that the format cannot hold.
        OutputError: If the file cannot be written.
    """
    return _format(Path(path), format).write(items, Path(path))


def _format(path: Path, name: str | None) -> Format:
    if name is not None:
        if name not in FORMATS:
            raise UnknownNameError("segment format", name, FORMATS)
        return FORMATS[name]
    for kind in FORMATS.values():
        if path.suffix.lower() == kind.suffix.lower():
            return kind
    valid = [f"{kind.suffix} ({name})" for name, kind in FORMATS.items()]
    raise UnknownNameError("segment file", path.name, valid, "Or name the format.")
