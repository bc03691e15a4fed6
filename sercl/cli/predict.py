"""`sercl predict`: the emotion and the probabilities of recordings, as they come."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeAlias

from rich.text import Text

from sercl.cli.console import progress, stderr, stdout
from sercl.cli.help import ShortPage, render
from sercl.cli.inputs import check_checkpoint, conclude, find_inputs, report_failure, report_left_out
from sercl.errors import UsageError
from sercl.files import atomic_path
from sercl.reports.predictions import FORMATS

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from sercl.cli.parser import SerclParser
    from sercl.tasks.predictor import Failure, Prediction

PAGE = ShortPage(
    usage="sercl predict CHECKPOINT FILE|DIR|PATTERN... [OPTIONS]",
    summary=(
        "Name the emotion of each recording, with the probability of every class. A file that cannot be read "
        "is reported and left out; the exit code is then 1. A recording is taken as one utterance; for long "
        "ones, `sercl diarize` labels emotions over time."
    ),
    arguments=(
        ("CHECKPOINT", "A file that `sercl fit` wrote, such as checkpoints/RUN/best.ckpt"),
        ("FILE|DIR|PATTERN", "Audio files, folders of them, or patterns in quotes such as 'talks/**/*.flac'"),
    ),
    options=(
        ("--format table|csv|json|jsonl", "What is written (table)"),
        ("--out FILE", "Write to a file, whole or not at all, instead of standard output"),
        ("--recursive", "Take the folders below a folder, too"),
        ("--device NAME", "auto (a GPU where there is one), cpu, cuda, cuda:1, mps"),
        ("--batch_seconds S", "Most audio at once, in s; less needs less memory (60)"),
        ("--encoder NAME", "Where the encoder is now, if it has moved since training"),
        ("-h, --help", "This page"),
    ),
    examples=(
        ("A few files", "sercl predict checkpoints/RUN/best.ckpt a.wav b.mp3"),
        (
            "A folder, for a spreadsheet",
            "sercl predict checkpoints/RUN/best.ckpt talks/ --format csv --out talks.csv",
        ),
        ("Every emotion into another program", "sercl predict best.ckpt talks/ --format jsonl | jq .emotion"),
    ),
)

LONG_SECONDS = 30.0
"""Beyond this a recording is no utterance any more: one emotion for all of it says little."""
_SHOWN = 3

Line: TypeAlias = str | Text


def main() -> int:
    """Run `sercl predict` with the words of the process; 1 if some input could not be used."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        stdout.print(render(PAGE), crop=False)
        return 0
    return _predict(build_parser().parse_args())


def build_parser() -> "SerclParser":
    """Return the parser of the command."""
    from sercl.cli.parser import SerclParser

    parser = SerclParser(prog="sercl predict")
    parser.add_argument("checkpoint")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--format", choices=list(FORMATS), default="table")
    parser.add_argument("--out", default=None)
    parser.add_argument("--recursive", action="store_true")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch_seconds", type=float, default=60.0)
    parser.add_argument("--encoder", default=None)
    return parser


def _predict(options: "Namespace") -> int:
    if not options.batch_seconds > 0:
        raise UsageError(f"--batch_seconds {options.batch_seconds}: it must be greater than 0 s, such as 60.")
    inputs = find_inputs(options.files, options.recursive)
    check_checkpoint(options.checkpoint)
    # The place of the result comes first: an hour of work should not end at a folder that cannot be written.
    with _output(options.out) as write:
        from sercl.tasks.predictor import load

        with stderr.status("loading the checkpoint"):
            predictor = load(options.checkpoint, options.device, options.encoder)
        report_left_out(inputs)
        failures = [report_failure(word, reason) for word, reason in inputs.unmatched]
        long: list[str] = []
        with progress("recordings", len(inputs.files)) as advance:
            results = predictor.stream(inputs.files, options.batch_seconds)
            for line in FORMATS[options.format](_usable(results, failures, advance, long), predictor.classes):
                write(line)
    _report_long(long)
    return conclude(len(failures), len(inputs.files) + len(inputs.unmatched))


def _usable(
    results: "Iterable[Prediction | Failure]",
    failures: list[str],
    advance: Callable[[int], None],
    long: list[str],
) -> "Iterator[Prediction]":
    """Yield the predictions; report failures and add their sources to `failures`, long ones to `long`."""
    from sercl.tasks.predictor import Failure

    for result in results:
        advance(1)
        if isinstance(result, Failure):
            failures.append(report_failure(result.source, result.error))
        else:
            if result.seconds > LONG_SECONDS and len(long) <= _SHOWN:
                long.append(result.source)
            yield result


def _report_long(long: Sequence[str]) -> None:
    """Say what one answer for a long recording is worth, and what tells more."""
    if long:
        names = ", ".join(long[:_SHOWN]) + (" and others" if len(long) > _SHOWN else "")
        text = (
            f"Longer than {LONG_SECONDS:g} s: {names}. The probabilities are of the recording as a whole, in "
            "which emotions may change; `sercl diarize` labels them over time."
        )
        stderr.print(Text(text, style="yellow"), soft_wrap=True)


@contextmanager
def _output(path: str | None) -> Iterator[Callable[[Line], None]]:
    """Yield a function that writes a line to a file or to standard output."""
    if path is None:
        yield _print_line
        return
    with atomic_path(path) as temporary, _open_text(temporary) as file:
        yield lambda line: print(line, file=file)
    stderr.print(f"Written to {path}", soft_wrap=True, markup=False)


def _open_text(path: Path) -> TextIO:
    # File names may hold bytes that are no UTF-8; they are to come out as they are.
    return path.open("w", encoding="utf-8", errors="surrogateescape", newline="\n")


def _print_line(line: Line) -> None:
    if not stdout.is_terminal:
        print(line)
        return
    # Where the progress bar stands on the same terminal, only its own console can print above it.
    console = stderr if stderr.is_terminal else stdout
    console.print(line, soft_wrap=True, markup=False)
