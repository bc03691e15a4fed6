"""Seconds, memory and size of `sercl cross-eval report` on a finished study of 11,400 cells.

    python benchmarks/study_report.py

5 encoders x 2 adapters x 76 settings and pairs of 4 corpora x 5 folds x 3 seeds (or draws of few shots). Each
cell tests 192 utterances of 8 speakers; predictions are drawn, and written as a study writes them. Measured
are the steps in one process (`--steps`), and the command in a process of its own, imports and all. Goals:
60 s and 20 MB.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from sercl.reports.cross_eval.formats import ALL, write_report
from sercl.reports.style import table
from sercl.studies.cross_eval.analysis.analysis import analyse
from sercl.studies.cross_eval.cells import StudyCorpus, StudyEncoder
from sercl.studies.cross_eval.study_file import read_study
from sercl.testing.studies import Grid, fake_study

SPEAKERS, PER_CLASS = 40, 6
GOAL_SECONDS, GOAL_BYTES = 60.0, 20e6
T = TypeVar("T")


def main() -> None:
    options = build_parser().parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        study = fake_study(folder, grid(options.encoders), speakers=SPEAKERS, per_class=PER_CLASS)
        steps = timed_steps(folder, options.formats) if options.steps else []
        seconds, peak, sizes = command(folder, options.formats)
        show(len(study.records), steps, seconds, peak, sizes)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoders", type=int, default=5, help="2,280 cells each")
    parser.add_argument("--formats", nargs="+", default=list(ALL))
    parser.add_argument("--steps", action="store_true", help="also measure each step")
    parser.add_argument("--folder", type=Path, help="where to write the study; 200 MB")
    return parser


def grid(encoders: int) -> Grid:
    languages = {"A": "de", "B": "en", "C": "it", "D": "zh"}
    return Grid(
        {name: StudyCorpus(name, (language,), "speaker", 5) for name, language in languages.items()},
        {f"e{each}": StudyEncoder(f"lab/e{each}", "wav2vec2", f"{each:08d}") for each in range(encoders)},
        shots=(4, 16),
        draws=3,
    )


def timed_steps(folder: Path, formats: list[str]) -> list[tuple[str, float]]:
    rows: list[tuple[str, float]] = []

    def timed(name: str, call: Callable[[], T]) -> T:
        begin = time.perf_counter()
        result = call()
        rows.append((name, time.perf_counter() - begin))
        return result

    study = timed("reading study.json", lambda: read_study(folder))
    analysis = timed("analysis", lambda: analyse(folder, study))
    for each in formats:
        timed(each, lambda each=each: write_report(analysis, folder, [each]))  # type: ignore[misc]
    return rows


def command(folder: Path, formats: list[str]) -> tuple[float, float, dict[str, int]]:
    """Run the command; return its seconds, the peak of its memory in bytes, and file -> bytes."""
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    words = [sys.executable, "-m", "sercl", "cross-eval", "report", str(folder), "--format", *formats]
    begin = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    if status:
        raise SystemExit(f"sercl cross-eval report: exit code {os.waitstatus_to_exitcode(status)}")
    written = [
        path for path in folder.rglob("*") if path.is_file() and path.stat().st_mtime_ns != before.get(path)
    ]
    return seconds, usage.ru_maxrss * 1024, {path.name: path.stat().st_size for path in written}


def show(
    cells: int, steps: list[tuple[str, float]], seconds: float, peak: float, sizes: dict[str, int]
) -> None:
    grid = table("Step", "Seconds", title=f"{cells:,} cells", numbers=("Seconds",))
    for name, taken in [*steps, ("the command", seconds)]:
        grid.add_row(name, f"{taken:.1f}")
    files = table("File", "MB", numbers=("MB",))
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        files.add_row(name, f"{size / 1e6:.2f}")
    console, total = Console(), sum(sizes.values())
    console.print(grid, files)
    console.print(
        f"{seconds:.0f} s, {peak / 1e6:.0f} MB of memory, {total / 1e6:.1f} MB written", highlight=False
    )
    reached = seconds <= GOAL_SECONDS and total <= GOAL_BYTES
    console.print(
        f"goal of {GOAL_SECONDS:.0f} s and {GOAL_BYTES / 1e6:.0f} MB {'reached' if reached else 'missed'}"
    )


if __name__ == "__main__":
    main()
