"""Extraction and training on a GPU, as shares of the rate of a plain matrix product, in under eight minutes.

    python benchmarks/gpu.py --out gpu.json
    python benchmarks/gpu.py --device cpu --sizes tiny --minutes 2

Extraction: the forward pass of wav2vec2-base and WavLM-large on clips of 1 to 8 s in batches of similar
length, as it is, with blocks compiled, and, for WavLM, with its position bias computed inside the attention
kernel. Then from files to the feature store. Training: steps of `lora+bottleneck+gating` in mixed precision,
forward and backward, as it is and compiled. Goals: 35 % of the matrix product in extraction, 30 % in
training.

Rows are in the order of what matters most; those that would begin after `--minutes` are left out and named.
Weights are random and recordings are noise: neither matters for speed.
"""

import argparse
import json
import logging
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import transformers
from rich.console import Console, RenderableType
from speed.encoders import SIZES, build_encoder, compile_parts
from speed.end_to_end import measure_end_to_end
from speed.flex import flexible
from speed.forward import RATE, Batch, batches_of, clip_lengths, noise
from speed.operations import clip_operations, front_end
from speed.rates import MatrixRate
from torch import nn
from torch.nn import functional as F

from sercl.models.adapters import AdapterOptions, attach
from sercl.models.encoders import PRECISIONS, Encoder
from sercl.models.pooling import MeanPooling
from sercl.reports.style import table

ADAPTER = "lora+bottleneck+gating"
REPEATS = 3
LAP = 1.0  # s of work, at least, between two matrix products


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        size: The encoder, a name in `SIZES`.
        what: "forward", "files to store" or "training".
        way: How.
        share: Operations per second over those of the matrix product.
        peak: Operations per second of the matrix product.
        speed: Seconds of audio per second.
        clips_per_second: Clips per second.
        memory: Peak of GPU memory in bytes, 0 on a CPU.
        seconds: Time of the whole measurement, compilation included.
    """

    size: str
    what: str
    way: str
    share: float
    peak: float
    speed: float
    clips_per_second: float
    memory: int
    seconds: float


def main() -> None:
    options = build_parser().parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    if options.device == "cuda":
        torch.set_float32_matmul_precision("high")
    console, begin = Console(width=140), time.perf_counter()
    console.print(", ".join(f"{name} {value}" for name, value in environment(options).items()))
    rows, left_out = [], []
    for size, what, way, measure in plan(options):
        if time.perf_counter() - begin > 60 * options.minutes:
            left_out.append(f"{size}, {what}, {way}")
            continue
        with console.status(f"{size}, {what}, {way}"):
            rows.append(measured(size, what, way, measure, options))
    console.print(table_of(rows))
    if left_out:
        console.print(f"Not begun within {options.minutes:g} min: {'; '.join(left_out)}.")
    if options.out:
        content = {**environment(options), "rows": [asdict(row) for row in rows], "left_out": left_out}
        options.out.write_text(json.dumps(content, indent=2))


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["wav2vec2-base", "wavlm-large"])
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16")
    parser.add_argument("--batch", type=float, default=320, help="s of audio in a batch of extraction")
    parser.add_argument("--train_batch", type=float, default=160, help="s of audio in a batch of training")
    parser.add_argument("--clips", type=int, default=512, help="clips of 1 to 8 s")
    parser.add_argument("--minutes", type=float, default=6.0, help="no measurement begins after this")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    return parser


def environment(options: argparse.Namespace) -> dict[str, object]:
    gpu = torch.cuda.get_device_name() if options.device == "cuda" else None
    return {
        "device": gpu or platform.machine(),
        "precision": options.precision,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


Measure = Callable[[Encoder], tuple[float, float, float, float]]
"""Maps an encoder on its device to share, peak, speed and clips per second."""


def plan(options: argparse.Namespace) -> Iterator[tuple[str, str, str, Measure]]:
    """Yield size, what, way and how of each measurement: first as it is, for all sizes."""
    for size in options.sizes:
        yield size, "forward", "as it is", lambda encoder: forward(encoder, options)
        yield size, "training", "as it is", lambda encoder: training(encoder, options, compiled=False)
    for size in options.sizes:
        yield size, "files to store", "as it is", lambda encoder: to_store(encoder, options)
        if "wavlm" in size:
            yield size, "forward", "flex attention", lambda encoder: forward(encoder, options, "flex")
        if options.device == "cuda":
            yield size, "forward", "compiled", lambda encoder: forward(encoder, options, "compiled")
            yield size, "training", "compiled", lambda encoder: training(encoder, options, compiled=True)


def measured(size: str, what: str, way: str, measure: Measure, options: argparse.Namespace) -> Row:
    if options.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    begin = time.perf_counter()
    encoder = build_encoder(size).to(options.device)
    share, peak, speed, clips = measure(encoder)
    memory = torch.cuda.max_memory_allocated() if options.device == "cuda" else 0
    return Row(size, what, way, share, peak, speed, clips, memory, time.perf_counter() - begin)


def forward(
    encoder: Encoder, options: argparse.Namespace, way: str = ""
) -> tuple[float, float, float, float]:
    """Measure the forward pass with weights of the precision, as it is ("") or "compiled" or by "flex"."""
    encoder = encoder.to(PRECISIONS[options.precision])
    if way == "compiled":
        compile_parts(encoder)
    batches = batches_of(clip_lengths(options.clips), options.batch)
    flex = flexible(encoder, compiled=options.device == "cuda") if way == "flex" else nullcontext()
    with flex, torch.inference_mode():
        return rates_of(lambda batch: encoder(*batch), encoder, batches, options, 1)


def training(
    encoder: Encoder, options: argparse.Namespace, compiled: bool
) -> tuple[float, float, float, float]:
    """Measure steps of adapters and head in mixed precision.

    The backward pass through frozen weights has the operations of the forward pass once more; those of the
    convolutions, below all adapters, have none, and gradients of adapters are left out.
    """
    adapters = attach(encoder, ADAPTER, AdapterOptions())
    if compiled:
        compile_parts(encoder)
    encoder.train()
    head, pooling = nn.Linear(encoder.hidden_size, 4).to(options.device), MeanPooling(encoder.hidden_size)
    trained = [*(p for p in adapters.parameters() if p.requires_grad), *head.parameters()]
    optimizer = torch.optim.AdamW(trained, fused=options.device == "cuda")
    mixed = torch.autocast(options.device, PRECISIONS[options.precision], options.precision != "fp32")

    def step(batch: Batch) -> None:
        optimizer.zero_grad()
        with mixed:
            output = encoder(*batch)
            vectors = pooling(output.hidden_states[-1], output.lengths)
            labels = torch.arange(len(vectors), device=vectors.device) % 4
            loss = F.cross_entropy(head(vectors), labels)
        loss.backward()
        optimizer.step()

    batches = batches_of(clip_lengths(options.clips), options.train_batch)
    return rates_of(step, encoder, batches, options, 2)


def rates_of(
    work: Callable[[Batch], object],
    encoder: Encoder,
    lengths: Sequence[Sequence[int]],
    options: argparse.Namespace,
    passes: int,
) -> tuple[float, float, float, float]:
    """Time work on batches; once before, so that nothing is compiled or allocated for the first time.

    Args:
        work: What is timed.
        encoder: The encoder.
        lengths: Samples of the clips of each batch.
        options: Device and precision.
        passes: How often each operation of the blocks is done: 2 with a backward pass.
    """
    batches = [noise(batch, options.device) for batch in lengths]
    clips = [length for batch in lengths for length in batch]
    config, dtype = encoder.model.config, PRECISIONS[options.precision]
    operations = sum(
        passes * clip_operations(config, n) - (passes - 1) * front_end(config, n)[1] for n in clips
    )
    for batch in batches:
        work(batch)
    meters = []
    for _ in range(REPEATS):
        meter = MatrixRate(options.device, dtype)
        meter.start()
        for batch in batches:
            work(batch)
            meter.lap(LAP)
        meter.lap()
        meters.append(meter)
    seconds = statistics.median(meter.seconds for meter in meters)
    share = statistics.median(operations / meter.possible for meter in meters)
    return (
        share,
        statistics.median(meter.peak for meter in meters),
        sum(clips) / RATE / seconds,
        len(clips) / seconds,
    )


def to_store(encoder: Encoder, options: argparse.Namespace) -> tuple[float, float, float, float]:
    """Measure extraction from files to the feature store, with the defaults of the device."""
    ways = {"batch_seconds": 0, "workers": None, "peak": None}
    found = measure_end_to_end(encoder, options.precision, clips=options.clips, **ways)
    return found.share, found.peak, found.speed, found.clips / found.seconds


def table_of(rows: Sequence[Row]) -> RenderableType:
    columns = ("Share %", "Peak, TFLOP/s", "x real time", "Clips/s", "Memory, GB", "Seconds of all")
    grid = table("Encoder", "What", "Way", *columns, numbers=columns)
    for row in rows:
        numbers = (f"{100 * row.share:.1f}", f"{row.peak / 1e12:.2f}", f"{row.speed:.0f}")
        more = (f"{row.clips_per_second:.1f}", f"{row.memory / 1e9:.1f}", f"{row.seconds:.0f}")
        grid.add_row(row.size, row.what, row.way, *numbers, *more)
    return grid


if __name__ == "__main__":
    main()
