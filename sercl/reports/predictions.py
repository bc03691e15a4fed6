"""Predictions as lines of text, one at a time, so that long lists need no memory."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rich.text import Text

from sercl.files import CsvWriter, check_replaceable, contains

if TYPE_CHECKING:
    from sercl.tasks.predictor import Prediction

Lines: TypeAlias = "Callable[[Iterable[Prediction], Sequence[str], Sequence[str]], Iterator[str | Text]]"
"""(predictions, class names, checkpoints of an ensemble) -> lines without line ends."""


def table_lines(
    predictions: "Iterable[Prediction]", classes: Sequence[str], ensemble: Sequence[str] = ()
) -> Iterator[Text]:
    """Yield a heading and a row per prediction; the file comes last, since its name may have any length.

    Without predictions there is no heading: failures are reported elsewhere, and so is an ensemble.
    """
    widths = [max(len(name), 5) for name in classes]
    first = max(len("emotion"), *(len(name) for name in classes))
    heading = "  ".join(f"{name:>{width}}" for name, width in zip(classes, widths, strict=True))
    for number, prediction in enumerate(predictions):
        if number == 0:
            yield Text(f"{'emotion':<{first}}  {heading}  {'seconds':>7}  file", style="bold")
        row = Text.assemble((f"{prediction.emotion:<{first}}", "cyan"))
        for name, width in zip(classes, widths, strict=True):
            style = "bold" if name == prediction.emotion else "dim"
            row.append(f"  {prediction.probabilities[name]:>{width}.2f}", style=style)
        yield row.append(f"  {prediction.seconds:>7.2f}  {prediction.source}")


def csv_lines(
    predictions: "Iterable[Prediction]", classes: Sequence[str], ensemble: Sequence[str] = ()
) -> Iterator[str]:
    """Yield CSV: file, emotion, seconds, a column of probabilities per class; the models of an ensemble."""
    more = {"models": str(len(ensemble)), "checkpoints": ";".join(ensemble)} if ensemble else {}
    yield _csv_row(["file", "emotion", "seconds", *classes, *more])
    for prediction in predictions:
        probabilities = (f"{prediction.probabilities[name]:.6f}" for name in classes)
        cells = [prediction.source, prediction.emotion, f"{prediction.seconds:.3f}", *probabilities]
        yield _csv_row([*cells, *more.values()])


def jsonl_lines(
    predictions: "Iterable[Prediction]", classes: Sequence[str], ensemble: Sequence[str] = ()
) -> Iterator[str]:
    """Yield one JSON object per line: file, emotion, seconds, probabilities; the models of an ensemble."""
    more = {"ensemble": {"models": len(ensemble), "checkpoints": list(ensemble)}} if ensemble else {}
    for prediction in predictions:
        yield json.dumps(_as_dict(prediction, classes) | more, ensure_ascii=False)


def json_lines(
    predictions: "Iterable[Prediction]", classes: Sequence[str], ensemble: Sequence[str] = ()
) -> Iterator[str]:
    """Yield one JSON list of the objects of `jsonl_lines`."""
    yield "["
    before = None
    for row in jsonl_lines(predictions, classes, ensemble):
        if before is not None:
            yield f"{before},"
        before = row
    if before is not None:
        yield before
    yield "]"


FORMATS: Mapping[str, Lines] = {
    "table": table_lines,
    "csv": csv_lines,
    "json": json_lines,
    "jsonl": jsonl_lines,
}


_OBJECT = r'\{"file": ".*", "emotion": "[^"]*", "seconds": [^,]*, "probabilities": \{'
_WRITTEN = rf"\A(emotion  .*  seconds  file\n|file,emotion,seconds,|\[\n(\]|{_OBJECT})|{_OBJECT})"


def check_file(path: Path) -> None:
    """Raise `UsageError` for an existing file that does not hold predictions in one of `FORMATS`."""
    check_replaceable(path, "predictions of `sercl predict`", partial(contains, _WRITTEN))


def _csv_row(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    # The writer quotes cells with a character of its line end; a name may contain a single carriage return.
    CsvWriter(buffer, line_end="\r\n").writerow(cells)
    return buffer.getvalue().removesuffix("\r\n")


def _as_dict(prediction: "Prediction", classes: Sequence[str]) -> dict[str, object]:
    return {
        "file": prediction.source,
        "emotion": prediction.emotion,
        "seconds": round(prediction.seconds, 3),
        "probabilities": {name: round(prediction.probabilities[name], 6) for name in classes},
    }
