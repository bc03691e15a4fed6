"""`sercl diarize`: label emotions over time in files, and write segments, pictures and pages."""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sercl.cli.console import EscapingConsole, loading, progress, stderr, stdout, visible
from sercl.cli.help import DEVICE_HELP, DEVICES_HELP, ENCODER_HELP, PRECISION_HELP, RECURSIVE_HELP
from sercl.cli.inputs import conclude, find_inputs, report_failure, report_left_out
from sercl.cli.run_folder import make_folder
from sercl.diarization.formats import FORMATS, write_segments
from sercl.diarization.segments import Annotation
from sercl.errors import OutputError, UsageError
from sercl.features.config import PRECISIONS
from sercl.files import at_home, check_replaceable, contains, open_text
from sercl.studies.sharing import SharedDiarizer, check_processes, load_diarizer
from sercl.tasks.checkpoint_paths import checkpoint_of

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from sercl.cli.parser import SerclParser
    from sercl.tasks.diarizer import Diarizer


ONE_EACH = ("textgrid", "audacity")
"""Formats whose files hold one recording."""

_TABLE_WIDTH = 110


def check_outputs(options: "Namespace", names: Sequence[str]) -> None:
    """Refuse output that cannot be written, before running on any recording.

    Raises:
        UsageError: For a format that needs a folder, a name that it cannot hold, or an existing file that is
            not an earlier output.
        UnknownNameError: For an unknown picture format.
        OutputError: For a path that cannot be written.
    """
    from sercl.reports.diarization.page import check_page
    from sercl.reports.rendering import check_picture

    if options.format in ONE_EACH and options.out is None and len(names) > 1:
        raise UsageError(f"--format {options.format} holds one recording per file. Give --out FOLDER.")
    if options.format == "rttm" and (odd := [name for name in names if len(name.split()) != 1]):
        raise UsageError(
            f"{odd[0]!r}: RTTM separates its fields by spaces, so a name cannot contain any. Rename "
            "the recording, or choose --format json, csv, textgrid or audacity."
        )
    segments = _files(options, names)
    for path in (options.plot, options.html, *segments[:1]):
        if path is not None:
            _check_output(Path(path))
    if options.plot is not None:
        check_picture(Path(options.plot))
    if options.html is not None:
        check_page(Path(options.html))
    for file in segments:
        check_replaceable(file, "segments of `sercl diarize`", partial(contains, _written()))


def _written() -> str:
    """Return a regular expression for what `--out` has written in any format."""
    from sercl.reports.diarization.timeline import WRITTEN

    return "|".join([WRITTEN, *(kind.written for kind in FORMATS.values())])


def write_outputs(options: "Namespace", found: "Sequence[Found]") -> None:
    """Write the requested segment files, figure and page."""
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
        text = path.read_text(encoding="utf-8")
        print(visible(text) if stdout.is_terminal else text, end="")


def _write_table(found: "Sequence[Found]", path: Path) -> None:
    from sercl.reports.diarization.timeline import recording_text

    with open_text(path) as file:
        console = EscapingConsole(file, width=_TABLE_WIDTH)
        for source, item in found:
            console.print(recording_text(item, str(source), _TABLE_WIDTH), "")
    _said(path)


def _write_picture(found: "Sequence[Found]", path: Path) -> None:
    from sercl.audio.stream import envelope
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

    path = Path(options.html)
    items = [listened(source, item, path.parent, options.audio) for source, item in found]
    with open_text(path) as file:
        file.write(html_page(items, Path(options.checkpoint)))
    _said(path)


def _files(options: "Namespace", names: Sequence[str]) -> list[Path]:
    """Return the files that `--out` stands for."""
    if options.out is None:
        return []
    out = Path(options.out)
    if options.format not in ONE_EACH:
        return [out]
    suffix = FORMATS[options.format].suffix
    alone = len(names) == 1 and out.suffix.lower() == suffix.lower()
    return [out] if alone else [out / f"{name}{suffix}" for name in names]


def _check_output(path: Path) -> None:
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give the path of a file.")
    make_folder(path.parent)


def _said(path: Path) -> None:
    stderr.print(f"Written to {path}", soft_wrap=True, markup=False)


TABLE = "table"
MOST_SEGMENTS = 30
"""Maximum number of segments per recording listed on a terminal."""
POST = ("smoothing", "median_seconds", "switch_penalty", "min_seconds", "threshold")
"""Options that replace the checkpoint's own post-processing, one by one."""

Found = tuple[Path, Annotation]


def main() -> int:
    """Run `sercl diarize` with the words of the process; 1 if some input could not be used."""
    return run(build_parser().parse_args(sys.argv[1:]))


_FORMAT_HELP = "Output format; table also shows a timeline."
_OUT_HELP = "Output file; for textgrid and audacity with several recordings, a folder."
_AUDIO_HELP = "Whether the page embeds the audio or links to it; by default depends on its size."
_VAD_HELP = "Mark non-speech; no emotion is assigned there."


def build_parser() -> "SerclParser":
    """Return the parser of the command."""
    from sercl.cli.parser import SerclParser, help_of
    from sercl.diarization.postprocess import SMOOTHING, PostConfig

    parser = SerclParser(prog="sercl diarize")
    parser.add_argument("checkpoint")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--format", choices=[TABLE, *FORMATS], default=TABLE, help=_FORMAT_HELP)
    parser.add_argument("--out", default=None, help=_OUT_HELP)
    parser.add_argument("--plot", default=None, help="Figure of the timelines (.png, .pdf, .svg).")
    parser.add_argument("--html", default=None, help="HTML page with waveform, segments and playback.")
    parser.add_argument("--audio", choices=["embed", "link"], default=None, help=_AUDIO_HELP)
    for name, text in help_of(PostConfig).items():
        values: dict[str, Any] = {"choices": SMOOTHING} if name == "smoothing" else {"type": float}
        parser.add_argument(f"--{name}", default=None, help=text, **values)
    parser.add_argument("--vad", action="store_true", help=_VAD_HELP)
    parser.add_argument("--recursive", action="store_true", help=RECURSIVE_HELP)
    parser.add_argument("--device", default="auto", help=DEVICE_HELP)
    parser.add_argument("--devices", type=int, default=1, help=DEVICES_HELP)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help=PRECISION_HELP)
    parser.add_argument("--encoder", default=None, help=ENCODER_HELP)
    return parser


def run(options: "Namespace") -> int:
    """Diarize every input, show or write the segments, and return the exit code."""
    check_processes(options.devices, options.device)
    inputs = find_inputs(options.files, options.recursive)
    options.checkpoint = str(checkpoint_of(at_home(options.checkpoint)))
    names = recording_names(inputs.files)
    # Output paths are checked first: an hour of work should not fail on one that cannot be written.
    check_outputs(options, names)
    report_left_out(inputs)
    failures = [report_failure(word, reason) for word, reason in inputs.unmatched]
    found: list[Found] = []
    with ExitStack() as held, progress("recordings", len(inputs.files)) as advance:
        diarizer = _load(options, min(options.devices, len(inputs.files)), held)
        for path, result in diarized_files(diarizer, inputs.files, names, failures):
            advance(1)
            found.append((path, result))
            if options.format == TABLE and options.out is None:
                show(result, str(path))
    if found:
        write_outputs(options, found)
    return conclude(len(failures), len(inputs.files) + len(inputs.unmatched))


def _load(options: "Namespace", processes: int, held: ExitStack) -> "Diarizer | SharedDiarizer":
    """Load the checkpoint, here or in several processes, which end with `held`."""
    given = {name: options[name] for name in POST if options[name] is not None}
    own = (options.checkpoint, options.device, options.encoder, given, options.vad, options.precision)
    if processes > 1:
        return held.enter_context(SharedDiarizer(*own, processes))
    with loading("loading the checkpoint"):
        return load_diarizer(*own)


def recording_names(files: Sequence[Path]) -> list[str]:
    """Return the name of each recording: its file's stem, or the whole path if stems repeat."""
    counts = Counter(path.stem for path in files)
    return [
        path.stem if counts[path.stem] == 1 else "-".join(part for part in path.parts if part not in "/..")
        for path in files
    ]


def diarized_files(
    diarizer: "Diarizer | SharedDiarizer", files: Sequence[Path], names: Sequence[str], failures: list[str]
) -> Iterator[Found]:
    """Yield the segments of each file; report each failure and add its source to `failures`."""
    from sercl.tasks.predictor import Failure

    for path, name, result in zip(files, names, diarizer.stream(files), strict=True):
        if isinstance(result, Failure):
            failures.append(report_failure(result.source, result.error))
        else:
            yield path, replace(result, id=name)


def show(item: Annotation, name: str) -> None:
    """Print one recording above the progress bar; all its segments if output is a pipe or file."""
    from sercl.reports.diarization.timeline import recording_text

    console = stderr if stdout.is_terminal and stderr.is_terminal else stdout
    most = MOST_SEGMENTS if stdout.is_terminal else None
    console.print(recording_text(item, name, min(console.width, 120), most), "")
