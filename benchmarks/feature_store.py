"""Memory and time of the feature store: small and large, each in a process of its own.

    python benchmarks/feature_store.py [--rows 10000 1000000] [--states 1] [--width 8]

Rows are small, so that the overhead of a row is measured, not its values.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from rich.console import Console

from sercl.features.space import FeatureSpace
from sercl.features.store import FeatureStore
from sercl.reports.style import table

FEW = 2000
COLUMNS = {
    "write": "Write, s",
    "index": "Index, s",
    "open": "Open again, s",
    "missing_all": "Look all up, s",
    "missing_few": f"Look {FEW:,} up, s",
    "read_few": f"Read {FEW:,}, s",
    "bytes": "Disk, MB",
    "peak": "Peak memory, MB",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--states", type=int, default=1)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--one", action="store_true", help="measure here, and print JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.rows[0], options.states, options.width)))
        return
    console = Console(width=130)
    grid = table("Rows", *COLUMNS.values(), numbers=("Rows", *COLUMNS.values()))
    for count in options.rows:
        found = in_a_process(count, options.states, options.width)
        grid.add_row(f"{count:,}", *(f"{found[name]:.3g}" for name in COLUMNS))
    console.print(f"Rows of {options.states} x {options.width} numbers")
    console.print(grid)


def in_a_process(count: int, states: int, width: int) -> dict[str, float]:
    words = ["--one", "--rows", str(count), "--states", str(states), "--width", str(width)]
    done = subprocess.run([sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def measure(count: int, states: int, width: int) -> dict[str, float]:
    space = FeatureSpace(tuple(map(str, range(states))), {}, "mean", "fp32", width, "synthetic")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        few = [key_of(number) for number in np.random.default_rng(0).integers(count, size=FEW)]
        seconds = {"write": timed(lambda: write(root, space, count))}
        seconds["index"] = timed(lambda: FeatureStore(root).open(space))
        seconds["open"] = timed(lambda: FeatureStore(root).open(space))
        rows = FeatureStore(root).open(space)
        seconds["missing_few"] = timed(lambda: sum(1 for _ in rows.missing(few)))
        seconds["read_few"] = timed(lambda: sum(len(row.values) for row in rows.read(few)))
        seconds["missing_all"] = timed(lambda: sum(1 for _ in rows.missing(keys(count))))
        size = sum(path.stat().st_size for path in root.rglob("*")) / 1e6
    return {**seconds, "bytes": size, "peak": peak_megabytes()}


def write(root: Path, space: FeatureSpace, count: int) -> None:
    shape = (len(space.states), space.width)
    numbers = np.random.default_rng(0)
    with FeatureStore(root).open(space).writer() as rows:
        for key in keys(count):
            rows.add(key, numbers.random(shape, dtype=np.float32))


def keys(count: int) -> Iterator[str]:
    return map(key_of, range(count))


def key_of(number: int) -> str:
    return hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def peak_megabytes() -> float:
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would give the parent's, if that was larger
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1e3
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


if __name__ == "__main__":
    main()
