"""How fast hidden states are extracted, relative to a plain matrix product.

    python benchmarks/extraction.py --threads 2
    python benchmarks/extraction.py --device cuda --size wavlm-large --precisions bf16 --compile

First the forward pass alone: as transformers runs it, and as `sercl.models.encoders.inference` runs it.
Then from audio files to rows in a feature store, with 1, 2 and 4 times the clips. Weights are random and
recordings are noise: neither matters for speed.

In between, a 2048 x 2048 matrix product of the same precision is timed in the same process, and shares are of
its rate, so that other processes matter less. Still, run it on an idle machine.
"""

import argparse
import json
import logging
import os
import platform
from dataclasses import asdict
from pathlib import Path

import torch
import transformers
from rich.console import Console
from speed.encoders import SIZES, build_encoder, compile_parts
from speed.end_to_end import EndToEnd, measure_end_to_end
from speed.forward import Forward, measure_forward
from speed.rates import Others

from sercl.models.encoders import PRECISIONS, Encoder
from sercl.reports.style import table


def main() -> None:
    options = build_parser().parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    if options.threads:
        torch.set_num_threads(options.threads)
    encoder = build_encoder(options.size).to(options.device)
    if options.compile:
        compile_parts(encoder)
    console = Console(width=130)
    console.print(", ".join(f"{name} {value}" for name, value in environment(options).items()))
    measured = [measure(encoder, precision, options, console) for precision in options.precisions]
    if options.out:
        options.out.write_text(json.dumps({**environment(options), "measured": measured}, indent=2))


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="wav2vec2-base")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=["fp32", "bf16"])
    parser.add_argument("--compile", action="store_true", help="compile blocks and convolutions")
    parser.add_argument("--threads", type=int, default=0, help="processor threads; 0 for torch's default")
    parser.add_argument("--workers", type=int, help="processes that decode audio; default: by device")
    parser.add_argument("--batches", type=float, nargs="+", default=[8, 16], help="s of audio in a batch")
    parser.add_argument("--clips", type=int, default=48, help="clips of 1 to 8 s in one pass")
    parser.add_argument("--repeats", type=int, default=3, help="passes of each kind")
    parser.add_argument("--peak", type=float, help="TFLOP/s to compare with, in place of a matrix product")
    parser.add_argument("--forward-only", action="store_true", help="leave the store out")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    return parser


def environment(options: argparse.Namespace) -> dict[str, object]:
    gpu = torch.cuda.get_device_name() if options.device == "cuda" else None
    return {
        "encoder": options.size,
        "device": gpu or f"{platform.machine()} with {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "compiled": options.compile,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def measure(
    encoder: Encoder, precision: str, options: argparse.Namespace, console: Console
) -> dict[str, object]:
    others, peak = Others(), options.peak and 1e12 * options.peak
    ways = {"clips": options.clips, "repeats": options.repeats, "peak": peak}
    passes = [
        measure_forward(encoder, precision, seconds, plain=plain, **ways)
        for seconds in options.batches
        for plain in (True, False)
    ]
    show_forward(console, precision, passes)
    whole = [] if options.forward_only else end_to_end(encoder, precision, options, peak)
    show_end_to_end(console, precision, whole)
    if others.share is not None:
        console.print(f"Other processes took {percent(others.share)} % of the cores meanwhile.\n")
    return {
        "precision": precision,
        "forward": [asdict(row) for row in passes],
        "end_to_end": [asdict(row) for row in whole],
        "other_processes": others.share,
    }


def end_to_end(
    encoder: Encoder, precision: str, options: argparse.Namespace, peak: float | None
) -> list[EndToEnd]:
    """Return, for 1, 2 and 4 times the clips, the pass whose share is the median of the repeats."""
    sizes = [options.clips * times for times in (1, 2, 4)]
    ways = {"batch_seconds": 0, "workers": options.workers, "peak": peak}
    passes = [
        [measure_end_to_end(encoder, precision, clips=clips, **ways) for clips in sizes]
        for _ in range(options.repeats)
    ]
    return [sorted(row, key=lambda one: one.share)[len(row) // 2] for row in zip(*passes, strict=True)]


def show_forward(console: Console, precision: str, rows: list[Forward]) -> None:
    columns = (
        "Batch, s",
        "Clips",
        "Padding %",
        "Peak, GFLOP/s",
        "Share %",
        "x real time",
        "Clips/s",
        "Pooling %",
    )
    grid = table("Way", *columns, numbers=columns)
    for row in rows:
        grid.add_row(
            row.way,
            f"{row.batch_seconds:g}",
            f"{row.clips:.1f}",
            percent(row.padding),
            f"{row.peak / 1e9:.0f}",
            percent(row.share),
            f"{row.speed:.1f}",
            f"{row.clips_per_second:.1f}",
            percent(row.pooling),
        )
    console.print(f"\nForward pass, {precision}")
    console.print(grid)


def show_end_to_end(console: Console, precision: str, rows: list[EndToEnd]) -> None:
    columns = ("Clips", "Audio, s", "Seconds", "Peak, GFLOP/s", "Share %", "x real time")
    parts = ("Start %", "Decode %", "Forward %", "Rest %")
    grid = table(*columns, *parts, numbers=(*columns, *parts))
    for row in rows:
        shares = (row.start, row.decode, row.forward, row.rest)
        grid.add_row(
            str(row.clips),
            f"{row.audio:.0f}",
            f"{row.seconds:.1f}",
            f"{row.peak / 1e9:.0f}",
            percent(row.share),
            f"{row.speed:.1f}",
            *map(percent, shares),
        )
    if rows:
        console.print(f"From files to the store, {precision}")
        console.print(grid)


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


if __name__ == "__main__":
    main()
