"""`sercl predict`: the emotion and class probabilities of recordings."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeAlias

from rich.text import Text

from sercl.cli.console import loading, progress, stderr, stdout
from sercl.cli.help import DEVICE_HELP, DEVICES_HELP, ENCODER_HELP, PRECISION_HELP, RECURSIVE_HELP
from sercl.cli.inputs import (
    check_checkpoint,
    conclude,
    find_inputs,
    is_checkpoint,
    report_failure,
    report_left_out,
    split_checkpoint,
)
from sercl.errors import UsageError
from sercl.features.config import PRECISIONS
from sercl.files import atomic_path
from sercl.reports.predictions import FORMATS, check_file
from sercl.studies.sharing import SharedPredictor, check_processes
from sercl.tasks.checkpoint_paths import final_of
from sercl.tasks.starter import ABOUT, WARNING, find_starter

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from sercl.cli.parser import SerclParser
    from sercl.tasks.predictor import Failure, Prediction, Predictor


LONG_SECONDS = 30.0
"""A longer recording is not an utterance: a single emotion for all of it is not meaningful."""
_SHOWN = 3

Line: TypeAlias = str | Text


def main() -> int:
    """Run `sercl predict` with the words of the process; 1 if some input could not be used."""
    first, rest = _taken_out(sys.argv[1:])
    options = build_parser().parse_args(rest)
    options.files = [*first, *options.files]
    return _predict(options)


def _taken_out(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return a checkpoint that options separate from the recordings, and the other words.

    argparse takes positional words together only: CHECKPOINT --format csv FILES.
    """
    separate = len(words) > 1 and words[1].startswith("-") and not words[0].startswith("-")
    return (words[:1], words[1:]) if separate and is_checkpoint(Path(words[0])) else ((), words)


def build_parser() -> "SerclParser":
    """Return the parser of the command."""
    from sercl.cli.parser import SerclParser

    parser = SerclParser(prog="sercl predict")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--format", choices=list(FORMATS), default="table", help="Output format.")
    parser.add_argument("--out", default=None, help="Output file; standard output by default.")
    parser.add_argument("--recursive", action="store_true", help=RECURSIVE_HELP)
    parser.add_argument("--device", default="auto", help=DEVICE_HELP)
    parser.add_argument("--devices", type=int, default=1, help=DEVICES_HELP)
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help=PRECISION_HELP)
    parser.add_argument(
        "--batch_seconds",
        type=float,
        default=60.0,
        help="Maximum audio per batch, in s; lower values need less memory.",
    )
    parser.add_argument("--encoder", default=None, help=ENCODER_HELP)
    return parser


def _predict(options: "Namespace") -> int:
    if not options.batch_seconds > 0:
        raise UsageError(f"--batch_seconds {options.batch_seconds}: it must be greater than 0 s, such as 60.")
    check_processes(options.devices, options.device)
    named, words = split_checkpoint(options.files)
    inputs = find_inputs(words, options.recursive)
    checkpoint = _starter() if named is None else named
    check_checkpoint(checkpoint)
    # The output path is checked first: an hour of work should not fail on a folder that cannot be written.
    with _output(options.out) as write, ExitStack() as held:
        with loading("loading the checkpoint"):
            predictor = _load(checkpoint, options, min(options.devices, len(inputs.files)), held)
        _report_model(Path(checkpoint), predictor.checkpoints)
        report_left_out(inputs)
        failures = [report_failure(word, reason) for word, reason in inputs.unmatched]
        long: list[str] = []
        with progress("recordings", len(inputs.files)) as advance:
            results = predictor.stream(inputs.files, options.batch_seconds)
            usable = _usable(results, failures, advance, long)
            for line in FORMATS[options.format](usable, predictor.classes, predictor.checkpoints):
                write(line)
    _report_long(long)
    return conclude(len(failures), len(inputs.files) + len(inputs.unmatched))


def _load(
    checkpoint: str, options: "Namespace", processes: int, held: ExitStack
) -> "Predictor | SharedPredictor":
    """Load the checkpoint, here or in several processes, which end with `held`."""
    if processes > 1:
        shared = SharedPredictor(checkpoint, options.device, options.encoder, options.precision, processes)
        return held.enter_context(shared)
    from sercl.tasks.predictor import load

    return load(checkpoint, options.device, options.encoder, precision=options.precision)


def _starter() -> str:
    """Say that the starter model is used, and return its path."""
    path = find_starter()
    stderr.print(Text(ABOUT), soft_wrap=True)
    stderr.print(Text(WARNING, style="yellow"), soft_wrap=True)
    return str(path)


def _report_model(checkpoint: Path, ensemble: Sequence[str]) -> None:
    """Say which model predicts, where a folder is given: that of a run may hold several."""
    if not checkpoint.is_dir():
        return
    what = f"Model: the only one in {checkpoint}."
    if ensemble:
        what = f"Ensemble: probabilities are the means over the {len(ensemble)} models of {checkpoint}."
        final = final_of(checkpoint)
        what += f" The model trained on everything is {final}." if final is not None else ""
    stderr.print(Text(what), soft_wrap=True)


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
    """Warn that one prediction for a long recording says little, and point to `sercl diarize`."""
    if long:
        names = ", ".join(long[:_SHOWN]) + (" and others" if len(long) > _SHOWN else "")
        text = (
            f"Longer than {LONG_SECONDS:g} s: {names}. The probabilities are for the whole recording, in "
            f"which emotions may change; `sercl diarize` labels them over time."
        )
        stderr.print(Text(text, style="yellow"), soft_wrap=True)


@contextmanager
def _output(path: str | None) -> Iterator[Callable[[Line], None]]:
    """Yield a function that writes a line to a file or to standard output."""
    if path is None:
        yield _print_line
        return
    check_file(Path(path))
    with atomic_path(path) as temporary, _open_text(temporary) as file:
        yield lambda line: print(line, file=file)
    stderr.print(f"Written to {path}", soft_wrap=True, markup=False)


def _open_text(path: Path) -> TextIO:
    # File names may contain bytes that are not UTF-8; they are written unchanged.
    return path.open("w", encoding="utf-8", errors="surrogateescape", newline="\n")


def _print_line(line: Line) -> None:
    if not stdout.is_terminal:
        print(line)
        return
    # If the progress bar is on the same terminal, only its own console can print above it.
    console = stderr if stderr.is_terminal else stdout
    console.print(line, soft_wrap=True, markup=False)
