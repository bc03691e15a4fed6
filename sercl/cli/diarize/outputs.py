"""Where the segments of `sercl diarize` go: standard output, segment files, a picture, a page."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sercl.cli.console import stderr
from sercl.cli.run_folder import make_folder
from sercl.diarization.formats import FORMATS, write_segments
from sercl.diarization.segments import Annotation
from sercl.errors import OutputError, UsageError
from sercl.files import open_text

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from sercl.cli.diarize.files import Found

ONE_EACH = ("textgrid", "audacity")
"""Formats whose files hold one recording."""

_TABLE_WIDTH = 110


def check_outputs(options: "Namespace", names: Sequence[str]) -> None:
    """Refuse what could not be written in the end, before anything is heard.

    Raises:
        UsageError: For a format that needs a folder, or a name that it cannot hold.
        UnknownNameError: For a picture of another format.
        OutputError: For a place that cannot be written.
    """
    from sercl.reports.picture_file import check_format

    if options.format in ONE_EACH and options.out is None and len(names) > 1:
        raise UsageError(f"--format {options.format} holds one recording a file. Give --out FOLDER.")
    if options.format == "rttm" and (odd := [name for name in names if len(name.split()) != 1]):
        raise UsageError(
            f"{odd[0]!r}: RTTM separates its fields by blanks, so a name may hold none. Rename "
            "the recording, or choose --format json, csv, textgrid or audacity."
        )
    if options.plot is not None:
        check_format(Path(options.plot))
    for place in (options.plot, options.html, _file(options, names)):
        if place is not None:
            _check_place(Path(place))


def write_outputs(options: "Namespace", found: "Sequence[Found]") -> None:
    """Write segment files, the picture and the page that the options ask for."""
    items = [item for _, item in found]
    if options.format != "table":
        _write_segments(items, options.format, options.out)
    elif options.out is not None:
        _write_table(found, Path(options.out))
    if options.plot is not None:
        _write_picture(found, Path(options.plot))
    if options.html is not None:
        _write_page(options, found)


def _write_segments(items: Sequence[Annotation], format: str, out: str | None) -> None:
    if out is not None:
        for path in write_segments(items, out, format):
            _said(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"segments{FORMATS[format].suffix}"
        write_segments(items, path, format)
        print(path.read_text(encoding="utf-8"), end="")


def _write_table(found: "Sequence[Found]", path: Path) -> None:
    from rich.console import Console

    from sercl.reports.diarization.timeline import recording_text

    with open_text(path) as file:
        console = Console(file=file, width=_TABLE_WIDTH, highlight=False, emoji=False)
        for source, item in found:
            console.print(recording_text(item, str(source), _TABLE_WIDTH), "")
    _said(path)


def _write_picture(found: "Sequence[Found]", path: Path) -> None:
    from sercl.audio.envelope import envelope
    from sercl.reports.diarization.figure import MOST, Picture, timeline_figure

    if len(found) > MOST:
        stderr.print(f"{path}: the first {MOST} of {len(found)} recordings are drawn.")
    pictures = [
        Picture(source.name, item.end, envelope(source), {"": item.segments}, item.pauses)
        for source, item in found[:MOST]
    ]
    timeline_figure(pictures, path)
    _said(path)


def _write_page(options: "Namespace", found: "Sequence[Found]") -> None:
    from sercl.reports.diarization.page import html_page, listened

    place = Path(options.html)
    items = [listened(source, item, place.parent, options.audio) for source, item in found]
    with open_text(place) as file:
        file.write(html_page(items, Path(options.checkpoint)))
    _said(place)


def _file(options: "Namespace", names: Sequence[str]) -> str | None:
    """Return the file that `--out` stands for, None where it is a folder."""
    if options.out is None or options.format not in ONE_EACH:
        return options.out  # type: ignore[no-any-return]
    suffix = FORMATS[options.format].suffix
    alone = len(names) == 1 and Path(options.out).suffix.lower() == suffix.lower()
    return options.out if alone else str(Path(options.out) / f"{names[0]}{suffix}")


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give the path of a file.")
    make_folder(path.parent)


def _said(path: Path) -> None:
    stderr.print(f"Written to {path}", soft_wrap=True, markup=False)
