"""`sercl diarize score`: EDER of segment files of any tool."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from sercl.cli.console import stdout
from sercl.cli.diarize.words import add_uncovered
from sercl.cli.help import JSON_HELP
from sercl.corpora.cells import clean, key_of, text_of
from sercl.corpora.labels import label_scheme
from sercl.corpora.manifest_cells import BadCellError, seconds
from sercl.corpora.tables import read_table
from sercl.diarization.formats import read_segments
from sercl.errors import ManifestError, UsageError
from sercl.json_text import json_text

if TYPE_CHECKING:
    from sercl.cli.parser import SerclParser
    from sercl.studies.diarization.evaluation import Comparison

COLUMNS = ["id", "seconds"]


def main() -> int:
    """Run `sercl diarize score` with the arguments of the process."""
    options = build_parser().parse_args(sys.argv[1:])
    for name in ("reference", "hypothesis"):
        if options[name] is None:
            raise UsageError(f"--{name} is missing: a segment file, or a folder of them.")
    # The files are checked first: scoring imports torch, which takes seconds.
    scheme = None if options.labels is None else label_scheme(options.labels)
    reference, hypothesis = read_segments(options.reference), read_segments(options.hypothesis)
    durations = {} if options.durations is None else read_durations(Path(options.durations))
    from sercl.studies.diarization.evaluation import compare

    show(compare(reference, hypothesis, durations, scheme, options.uncovered), options.json)
    return 0


_HELP = {
    "reference": "Reference segments; time without a segment is neutral.",
    "hypothesis": "Segments to evaluate.",
    "durations": "CSV `id,seconds`; by default durations in the files, or the end of the last segment.",
    "labels": "Classes: 4, 6, 7 or a YAML file; by default every emotion in the files.",
}


def build_parser() -> "SerclParser":
    """Return the parser of the command."""
    from sercl.cli.parser import SerclParser

    parser = SerclParser(prog="sercl diarize score")
    for name, text in _HELP.items():
        parser.add_argument(f"--{name}", type=str, default=None, help=text)
    add_uncovered(parser)
    parser.add_argument("--json", action="store_true", help=JSON_HELP)
    return parser


def read_durations(path: Path) -> Mapping[str, float]:
    """Read the length of recordings from a table (CSV, TSV, JSONL, Parquet) of `id` and `seconds`.

    Raises:
        CorpusNotFoundError: If there is no such file.
        ManifestError: With the line, for another header, a bad number, or a file that cannot be read.
        UnknownNameError: For a file with another suffix.
    """
    table = read_table(path, COLUMNS)
    if not set(COLUMNS) <= set(map(key_of, table.columns)):
        found = ", ".join(table.columns)
        raise ManifestError(path, 1, f"the header is {found}; `{','.join(COLUMNS)}` is needed.")
    durations: dict[str, float] = {}
    for row in table.rows:
        cells = {key_of(name): text_of(cell) for name, cell in row.cells.items()}
        written = cells.get("seconds", "")
        try:
            number = seconds(written if table.delimiter == "," else written.replace(",", "."), "seconds")
        except BadCellError as error:
            raise ManifestError(path, row.line, str(error)) from None
        durations[clean(cells.get("id", ""))] = number
    return durations


def show(found: "Comparison", as_json: bool) -> None:
    """Print the scores."""
    from sercl.reports.diarization.results import averages_table, emotions_table, parts_table, score_notes

    if as_json:
        content = {"scores": found.scores.to_dict(), "classes": found.classes, "notes": found.notes}
        print(json_text(content))
        return
    stdout.print(parts_table(found.scores), averages_table(found.scores), emotions_table(found.scores))
    for note in (*score_notes(found.scores), *found.notes):
        stdout.print(Text(f"Note: {note}", style="yellow"))
