"""Inject faults into commands, run them again, and count after how many something was lost.

    python -m tests.faults FOLDER                     # every call that changes a file, every kind of fault
    python -m tests.faults FOLDER --sample 20         # 20 calls of each command and kind, spread over it
    python -m tests.faults FOLDER --kinds --random 200          # each signal at 200 random moments
    python -m tests.faults FOLDER --commands predict --mount 64m   # on a small disk; takes root

One process imports everything and forks the commands, which saves their imports. Calls and moments are drawn
with the seed of the day, which is printed. The exit code is 1 if anything was lost.
"""

import argparse
import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from sercl.cli import lightning  # noqa: F401 - what a training imports, before it is forked
from tests.faults.commands import NAMES, commands
from tests.faults.disk import BROKEN, FULL, KILL, KINDS, POWER
from tests.faults.rounds import SIGNALS, Harness, Round

_ROW = "| {:13} | {:26} | {:>8} | {:>6} | {:>9} | {:>4} | {:>7} |"
_HEAD = ("command", "fault", "injected", "states", "recovered", "lost", "CPU s")


def main() -> int:
    """Run the rounds that the words of the process ask for, and print a row for each command and fault."""
    options = _options()
    print(f"seed {options.seed}")
    print(_ROW.format(*_HEAD), flush=True)
    with _mounted(options.folder, options.mount):
        os.environ["XDG_CACHE_HOME"] = str(options.folder / "cache")
        lost = sum(
            _report(name, rounds)
            for name, command in commands(options.folder / "inputs", options.commands).items()
            for rounds in _rounds(Harness(command, options.folder / name), name, options)
        )
        print(f"{_processor_seconds():.0f} s of processor time in all")
    return 1 if lost else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "folder", type=Path, help="an empty one; it is best in memory, such as /dev/shm/faults"
    )
    parser.add_argument("--commands", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--sample", type=int, help="calls per command and kind; all by default")
    parser.add_argument("--random", type=int, default=0, help="rounds per command and signal")
    parser.add_argument("--seed", default=f"{datetime.now(UTC):%Y-%m-%d}")
    parser.add_argument("--mount", metavar="SIZE", help="mount a tmpfs of this size at the folder")
    return parser.parse_args()


def _rounds(harness: Harness, name: str, options: argparse.Namespace) -> Iterator[Iterable[Round]]:
    draw = random.Random(f"{options.seed} {name}")
    if crashes := [kind for kind in (KILL, POWER) if kind in options.kinds]:
        yield harness.crashes(harness.sample(options.sample, draw), crashes)
    for kind in (kind for kind in (FULL, BROKEN) if kind in options.kinds):
        yield harness.errors(kind, harness.sample(options.sample, draw))
    for signal in SIGNALS if options.random else ():
        yield harness.signals(signal, options.random, draw)


def _report(name: str, rounds: Iterable[Round]) -> int:
    """Print what was lost, and a row for each kind; return after how many rounds something was lost.

    Rounds of several kinds share one run of the command, so that their rows have the same time.
    """
    begin, found = _processor_seconds(), list[Round]()
    for each in rounds:
        found.append(each)
        if each.lost is not None:
            print(f"{name}, {each.kind}, {each.at:g}: {each.lost}", flush=True)
    seconds = f"{_processor_seconds() - begin:.0f}"
    for kind in dict.fromkeys(each.kind for each in found):
        own = [each for each in found if each.kind == kind]
        lost = sum(each.lost is not None for each in own)
        states = len({each.state or number for number, each in enumerate(own)})
        print(_ROW.format(name, kind, len(own), states, len(own) - lost, lost, seconds), flush=True)
    return sum(each.lost is not None for each in found)


def _processor_seconds() -> float:
    """Return the processor time of this process and of those that it has waited for, in s."""
    return sum(os.times()[:4])


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
