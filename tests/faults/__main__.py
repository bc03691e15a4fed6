"""Disturb commands at every call that changes a file, stop them at random moments, count what was lost.

    python -m tests.faults FOLDER                     # every call, every kind of fault: many hours
    python -m tests.faults FOLDER --sample 20         # 20 calls of each command and kind, spread over it
    python -m tests.faults FOLDER --kinds --random 200          # each signal at 200 random moments
    python -m tests.faults FOLDER --commands predict --mount 64m   # on a small disk; takes root

One process imports everything and forks the commands, which saves their imports. The exit code is 1 if
anything was lost.
"""

import argparse
import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from sercl.cli import lightning  # noqa: F401 - what a training imports, before it is forked
from tests.faults.commands import NAMES, commands
from tests.faults.disk import KINDS
from tests.faults.rounds import SIGNALS, Bench

Row = tuple[str, str, int, int]
"""Command, kind of fault, how many were injected, and after how many something was lost."""


def main() -> int:
    """Run the rounds that the words of the process ask for, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "folder", type=Path, help="an empty one; it is best in memory, such as /dev/shm/faults"
    )
    parser.add_argument("--commands", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--sample", type=int, help="calls per command and kind; all by default")
    parser.add_argument("--random", type=int, default=0, help="tries per command and signal")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mount", metavar="SIZE", help="mount a tmpfs of this size at the folder")
    options = parser.parse_args()
    with _mounted(options.folder, options.mount):
        os.environ["XDG_CACHE_HOME"] = str(options.folder / "cache")
        found = commands(options.folder / "inputs", options.commands)
        benches = {name: Bench(command, options.folder / name) for name, command in found.items()}
        rows = []
        for name, bench in benches.items():
            for row in _rounds(name, bench, options):
                print(row, flush=True)
                rows.append(row)
    print("\n| command | fault | injected | recovered | lost |\n|---|---|---:|---:|---:|")
    for name, kind, injected, lost in rows:
        print(f"| {name} | {kind} | {injected} | {injected - lost} | {lost} |")
    return 1 if any(lost for *_, lost in rows) else 0


def _rounds(name: str, bench: Bench, options: argparse.Namespace) -> Iterator[Row]:
    draw = random.Random(options.seed)
    for kind in options.kinds:
        faults = bench.sample(kind, options.sample, draw)
        yield (
            name,
            kind,
            len(faults),
            sum(_is_wrong(name, kind, fault.call, bench.after(fault)) for fault in faults),
        )
    for what, number in SIGNALS.items() if options.random else ():
        tries = range(1, options.random + 1)
        wrong = sum(_is_wrong(name, what, each, bench.after_signals(number, draw)) for each in tries)
        yield name, f"{what} at random", options.random, wrong


def _is_wrong(name: str, kind: str, number: int, said: str | None) -> bool:
    if said is not None:
        print(f"{name}, {kind}, {number}: {said}", flush=True)
    return said is not None


@contextlib.contextmanager
def _mounted(folder: Path, size: str | None) -> Iterator[None]:
    """Mount a tmpfs at the folder while the block runs, if a size is given."""
    folder.mkdir(parents=True, exist_ok=True)
    if size is None:
        yield
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


if __name__ == "__main__":
    sys.exit(main())
