"""What many utterances, cells and machines cost, on paper: from figures that were measured on two cores.

    python benchmarks/scaling.py --utterances 10000000 --seconds 3 --nodes 100 --cores 32

Runs nothing: it multiplies. `PARTS` are the measured figures, each with the place in docs/benchmarks.md that
has it; the printed tables are those of docs/scaling.md. It takes for granted that 2k cores do k times what
two cores do, and that disks and network keep up.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

CORES = 2
"""Cores of the machine on which all parts were measured."""
DAY = 86_400.0


@dataclass(frozen=True)
class Part:
    """A step, and what two cores need for it.

    Attributes:
        name: The step.
        seconds: Measured time in s.
        count: Of so many units.
        unit: "utterance", "second" of audio, or "cell".
        source: Section of docs/benchmarks.md.
        spreads: Whether machines share it; otherwise each command does it once.
    """

    name: str
    seconds: float
    count: float
    unit: str
    source: str
    spreads: bool = True

    @property
    def each(self) -> float:
        """Time of one unit, in s."""
        return self.seconds / self.count


ONCE = "Many utterances"
PARTS = (
    Part("checking the audio, first time", 24.3, 100_000, "utterance", ONCE, spreads=False),
    Part("the same, again", 7.4, 100_000, "utterance", ONCE, spreads=False),
    Part("set-up of `sercl fit`, audio checked before", 11.4, 100_000, "utterance", ONCE, spreads=False),
    Part("hidden states, `fp32`", 50.5, 646, "second", "Extraction, 192 clips"),
    Part("hidden states, `bf16`", 27.5, 646, "second", "Extraction, 192 clips"),
    Part("an epoch of adapters, `32-true`", 18.4, 192, "utterance", "Training adapters"),
    Part("an epoch of adapters, `bf16-mixed`", 10.1, 192, "utterance", "Training adapters"),
    Part("`sercl predict`", 101, 1000, "utterance", "Predicting short clips"),
    Part("planning a study", 6.7, 9600, "cell", "A study", spreads=False),
    Part("a frozen cell, with its part of the report", 137, 510, "cell", "A study"),
)

STATES, WIDTH, BYTES = 13, 768, 4
"""Hidden states of wav2vec2-base, their width, and the size of a number in the store."""


def main() -> None:
    options = build_parser().parse_args()
    print(*measured(), "", *totals(options), "", *others(options), sep="\n")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--utterances", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=float, default=3.0, help="mean duration of an utterance")
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--cores", type=int, default=32, help="cores of a node")
    return parser


def measured() -> Iterator[str]:
    """Yield the table of the measured parts."""
    yield "| step | measured on two cores | each | section of benchmarks.md |"
    yield "|---|---|---|---|"
    for part in PARTS:
        what = f"{part.seconds:g} s for {part.count:,g} {_plural(part.unit)}"
        yield f"| {part.name} | {what} | {1000 * part.each:.3g} ms | {part.source} |"


def totals(options: argparse.Namespace) -> Iterator[str]:
    """Yield the table of what all utterances and cells take."""
    counts = {
        "utterance": options.utterances,
        "second": options.utterances * options.seconds,
        "cell": options.cells,
    }
    fold = options.cores // CORES
    yield f"| step | two cores | one node of {options.cores} cores | {options.nodes} nodes |"
    yield "|---|---|---|---|"
    for part in PARTS:
        total = part.each * counts[part.unit]
        shared = [total / fold, total / fold / options.nodes] if part.spreads else [total, total]
        yield f"| {part.name} | {_time(total)} | " + " | ".join(_time(value) for value in shared) + " |"


def others(options: argparse.Namespace) -> Iterator[str]:
    """Yield the sizes: the audio, and the store."""
    hours, row = options.utterances * options.seconds / 3600, STATES * WIDTH * BYTES
    audio = options.utterances * options.seconds * 16_000 * 2
    yield f"{options.utterances:,} utterances of {options.seconds:g} s are {hours:,.0f} hours:"
    yield f"{audio / 1e9:,.0f} GB of 16-bit audio at 16 kHz, and in the feature store"
    store = f"{STATES} states of {WIDTH} numbers: {row / 1000:.1f} kB each"
    yield f"{options.utterances * row / 1e9:,.0f} GB ({store})."


def _plural(unit: str) -> str:
    return {"second": "s of audio"}.get(unit, f"{unit}s")


def _time(seconds: float) -> str:
    """Return a time in the unit in which people would say it."""
    for unit, size in (("days", DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}" if seconds >= 10 * size else f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1g} s"


if __name__ == "__main__":
    main()
