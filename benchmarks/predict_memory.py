"""Memory of `sercl predict` over many files: resident memory after every 1,000 of them.

    python benchmarks/predict_memory.py --encoder whisper-base [--files 10000] [--seconds 1 8]

The clips are noise of 200 random lengths, drawn anew for every file. Memory does
not grow with the number of files if the rows are about equal.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from long_recording import RATE, megabytes
from rich.console import Console

from sercl.reports.style import table
from sercl.testing.encoders import tiny_encoder

LENGTHS = 200


def main() -> None:
    options = build_parser().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.encoder == "tiny":
            options.encoder = str(tiny_encoder("wav2vec2", Path(folder) / "encoder"))
        paths = write_clips(Path(folder), *options.seconds)
        rows = list(measure(options, paths))
    grid = table("Files", "Seconds", "Memory, MB", numbers=("Files", "Seconds", "Memory, MB"))
    for files, seconds, memory in rows:
        grid.add_row(f"{files:,}", f"{seconds:.0f}", f"{memory:,.0f}")
    console = Console(width=120)
    console.print(f"{options.encoder}, clips of {options.seconds[0]:g} to {options.seconds[1]:g} s")
    console.print(grid)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", required=True, help="short name, hub id or folder, or tiny")
    parser.add_argument("--form", default="short", help="of Whisper: padded or short")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, nargs=2, default=[1, 8], help="shortest and longest clip")
    parser.add_argument("--every", type=int, default=1_000)
    return parser


def write_clips(folder: Path, shortest: float, longest: float) -> list[Path]:
    numbers = np.random.default_rng(0)
    paths = []
    for index, seconds in enumerate(numbers.uniform(shortest, longest, LENGTHS)):
        paths.append(folder / f"{index}.wav")
        samples = 0.05 * numbers.standard_normal(round(seconds * RATE), dtype=np.float32)
        soundfile.write(paths[-1], samples, RATE)
    return paths


def measure(options: argparse.Namespace, paths: list[Path]) -> Iterator[tuple[int, float, float]]:
    from sercl.tasks.classification import EmotionClassifier
    from sercl.tasks.predictor import Predictor, find_device

    # A head without training costs as much as a trained one.
    task = EmotionClassifier(options.encoder, whisper_form=options.form, standardize=False)
    predictor = Predictor(task, find_device("cpu"))
    # Batches must not repeat, or the allocator would find a hole of just the right size each time.
    order = np.random.default_rng(1)
    inputs = (paths[order.integers(LENGTHS)] for _ in range(options.files))
    begin = time.perf_counter()
    yield 0, 0.0, megabytes("VmRSS")
    for count, _ in enumerate(predictor.stream(inputs), 1):
        if count % options.every == 0:
            yield count, time.perf_counter() - begin, megabytes("VmRSS")


if __name__ == "__main__":
    main()
