"""`sercl diarize CHECKPOINT FILE...`: segments of recordings, as they come, and files of all of them."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sercl.cli.console import progress, stderr, stdout
from sercl.cli.inputs import check_checkpoint, conclude, find_inputs, report_failure, report_left_out
from sercl.diarization.formats import FORMATS
from sercl.diarization.segments import Annotation

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from sercl.cli.parser import SerclParser
    from sercl.diarization.postprocess import PostConfig
    from sercl.tasks.diarizer import Diarizer

TABLE = "table"
MOST_SEGMENTS = 30
"""Segments of a recording that are listed on a terminal, or beside a page that holds all."""
POST = ("smoothing", "median_seconds", "switch_penalty", "min_seconds", "threshold")
"""Options that replace the checkpoint's own post-processing, one by one."""

Found = tuple[Path, Annotation]


def main() -> int:
    """Run `sercl diarize` with the words of the process; 1 if some input could not be used."""
    return run(build_parser().parse_args(sys.argv[1:]))


def build_parser() -> "SerclParser":
    """Return the parser of the command."""
    from sercl.cli.parser import SerclParser

    parser = SerclParser(prog="sercl diarize")
    parser.add_argument("checkpoint")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--format", choices=[TABLE, *FORMATS], default=TABLE)
    for name in ("out", "plot", "html", "encoder"):
        parser.add_argument(f"--{name}", default=None)
    parser.add_argument("--audio", choices=["embed", "link"], default=None)
    parser.add_argument("--smoothing", choices=["none", "median", "viterbi"], default=None)
    for name in POST[1:]:
        parser.add_argument(f"--{name}", type=float, default=None)
    parser.add_argument("--vad", action="store_true")
    parser.add_argument("--recursive", action="store_true")
    parser.add_argument("--device", default="auto")
    return parser


def run(options: "Namespace") -> int:
    """Find the emotions of every input, show or write them, and return the exit code."""
    from sercl.cli.diarize.outputs import check_outputs, write_outputs

    inputs = find_inputs(options.files, options.recursive)
    check_checkpoint(options.checkpoint)
    names = recording_names(inputs.files)
    # The places of the results come first: an hour of work should not end at one that cannot be written.
    check_outputs(options, names)
    diarizer = load(options)
    report_left_out(inputs)
    failures = [report_failure(word, reason) for word, reason in inputs.unmatched]
    found: list[Found] = []
    with progress("recordings", len(inputs.files)) as advance:
        for path, result in heard(diarizer, inputs.files, names, failures):
            advance(1)
            found.append((path, result))
            if options.format == TABLE and options.out is None:
                show(result, str(path), with_all=options.html is None)
    if found:
        write_outputs(options, found)
    return conclude(len(failures), len(inputs.files) + len(inputs.unmatched))


def load(options: "Namespace") -> "Diarizer":
    """Load the checkpoint, with the post-processing that the options ask for."""
    from sercl.tasks.devices import find_device
    from sercl.tasks.diarization import EmotionDiarizer
    from sercl.tasks.diarizer import Diarizer

    with stderr.status("loading the checkpoint"):
        task = EmotionDiarizer.restore(options.checkpoint, options.encoder)
        return Diarizer(task, find_device(options.device), chosen_post(task.post, options), options.vad)


def chosen_post(own: "PostConfig", options: "Namespace") -> "PostConfig":
    """Return the checkpoint's post-processing with what was given in its place."""
    given: dict[str, Any] = {name: options[name] for name in POST if options[name] is not None}
    return replace(own, **given)


def recording_names(files: Sequence[Path]) -> list[str]:
    """Return the name of each recording: its file's stem, or the whole path where stems repeat."""
    counts = Counter(path.stem for path in files)
    return [
        path.stem if counts[path.stem] == 1 else "-".join(part for part in path.parts if part not in "/..")
        for path in files
    ]


def heard(
    diarizer: "Diarizer", files: Sequence[Path], names: Sequence[str], failures: list[str]
) -> Iterator[Found]:
    """Yield what is found in each file; report each failure and add its source to `failures`."""
    from sercl.tasks.predictor import Failure

    for path, name, result in zip(files, names, diarizer.stream(files), strict=True):
        if isinstance(result, Failure):
            failures.append(report_failure(result.source, result.error))
        else:
            yield path, replace(result, id=name)


def show(item: Annotation, name: str, with_all: bool = True) -> None:
    """Print one recording above the progress bar; all its segments where a pipe or file takes them."""
    from sercl.reports.diarization.timeline import recording_text

    console = stderr if stdout.is_terminal and stderr.is_terminal else stdout
    most = None if with_all and not stdout.is_terminal else MOST_SEGMENTS
    console.print(recording_text(item, name, min(console.width, 120), most), "")
