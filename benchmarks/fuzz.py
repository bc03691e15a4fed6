"""Give every parser of sercl mutated files, and count results, errors of sercl, and anything else.

    python benchmarks/fuzz.py --seconds 5                       # of each parser
    python benchmarks/fuzz.py --seconds 60 --only checkpoint encoder-whisper --jobs 2

The files are those of `tests/parsers.py`, mutated as `tests/fuzz.py` says, from a seed. Each parser runs in a
process of its own, where a file may take 10 s of processor time and 1 GB. What breaks these bounds, raises an
error that is not of sercl, ends the process or takes a minute by the clock is a leak; its input is kept in
`--keep`, and the exit code is 1.
"""

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests are not a package that is installed

from sercl.studies import reading  # noqa: F401 - with pandas, before the processes are forked
from sercl.tasks import classification, diarization  # noqa: F401 - with torch
from tests.fuzz import try_file
from tests.parsers import PARSERS

MOST_CLOCK = 60.0
"""Seconds by the clock for one file: a reader may wait in code that is not Python, where no limit is seen."""
_FORK = get_context("fork")  # the imports take seconds


class Work(NamedTuple):
    """A parser, and for how many seconds it gets files from a seed; where those that leak are kept."""

    name: str
    seconds: float
    seed: int
    keep: Path


@dataclass
class Tally:
    """What became of the files of one parser; the memory is that of the file that took most."""

    name: str
    read: int = 0
    refused: int = 0
    slowest: float = 0.0
    megabytes: float = 0.0
    leaks: list[str] = field(default_factory=list)
    is_done: bool = False

    @property
    def files(self) -> int:
        return self.read + self.refused + len(self.leaks)


def main(words: Sequence[str] | None = None) -> int:
    """Print a line for each parser and the totals, and return 0 if nothing leaked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="for each parser")
    parser.add_argument(
        "--only", nargs="+", default=None, metavar="PARSER", help="names, or beginnings of names"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("leaks"), help="folder for inputs that leak")
    options = parser.parse_args(words)
    names = [name for name in PARSERS if not options.only or name.startswith(tuple(options.only))]
    options.keep.mkdir(exist_ok=True)
    work = [Work(name, options.seconds, options.seed, options.keep) for name in names]
    with ThreadPoolExecutor(options.jobs) as pool:  # threads that wait for a process each
        tallies = []
        print(
            f"{'parser':26} {'files':>8} {'read':>8} {'refused':>8} {'leaks':>6} {'slowest':>8} {'memory':>8}"
        )
        for tally in pool.map(_in_a_process, work):
            print(line_of(tally), flush=True)
            for leak, count in Counter(tally.leaks).most_common(20):
                print(f"    {count} x {leak}")
            tallies.append(tally)
    print(line_of(total_of(tallies)))
    return 1 if any(tally.leaks for tally in tallies) else 0


def _in_a_process(work: Work) -> Tally:
    """Give files to one parser in a process of its own, which is ended if a file hangs in code of C."""
    ours, theirs = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_send_tally, args=(work, theirs))
    process.start()
    theirs.close()
    latest = Tally(work.name)
    try:
        while ours.poll(MOST_CLOCK):
            latest = ours.recv()
            if latest.is_done:
                return latest
        ended = f"no end after {MOST_CLOCK:g} s by the clock"
    except EOFError:  # it has ended
        process.join()
        ended = f"the process ended with exit code {process.exitcode}"
    finally:
        process.kill()
        process.join()
    latest.leaks.append(f"{ended}: the input is {work.keep / latest.name}-ended")
    return latest


def _send_tally(work: Work, pipe: Connection) -> None:
    _tally(work, pipe.send)
    pipe.close()


def _tally(work: Work, send: Callable[[Tally], None]) -> None:
    """Give files to one parser for so many seconds; send the tally after each, and as done in the end."""
    name, seconds, seed, keep = work
    parser, draw, tally = PARSERS[name], random.Random(f"{seed} {name}"), Tally(name)
    current = keep / f"{name}-ended"
    warnings.simplefilter("ignore")
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - what libraries say of broken files
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        home.mkdir()
        os.environ["XDG_CACHE_HOME"] = str(home)
        work_folder = Path(folder, "work")
        work_folder.mkdir()
        parser.write(work_folder)
        path = work_folder / parser.file
        valid = path.read_bytes()
        parser.read(path)  # imports what it needs
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds:
            content = draw.choice(parser.mutators)(valid, draw)
            current.write_bytes(content)
            _try(tally, path, content, parser, keep)
            send(tally)
    current.unlink(missing_ok=True)
    tally.is_done = True
    send(tally)


def _try(tally: Tally, path: Path, content: bytes, parser, keep: Path) -> None:
    begin = time.perf_counter()
    try:
        tried = try_file(path, content, parser.read)
    except BaseException as error:
        tally.slowest = max(tally.slowest, time.perf_counter() - begin)
        frames = [each for each in traceback.extract_tb(error.__traceback__) if "sercl" in each.filename]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        leak = f"{type(error).__name__} in {where}: {' '.join(str(error).split())[:90]}"
        if leak not in tally.leaks:
            (keep / f"{tally.name}-{len(set(tally.leaks))}{path.suffix}").write_bytes(content)
        tally.leaks.append(leak)
    else:
        tally.refused += tried.refusal is not None
        tally.read += tried.refusal is None
        tally.slowest = max(tally.slowest, tried.seconds)
        tally.megabytes = max(tally.megabytes, tried.grown / 2**20)


def total_of(tallies: Sequence[Tally]) -> Tally:
    """Return the sums, and the largest of seconds and megabytes."""
    return Tally(
        f"{len(tallies)} parsers",
        sum(tally.read for tally in tallies),
        sum(tally.refused for tally in tallies),
        max(tally.slowest for tally in tallies),
        max(tally.megabytes for tally in tallies),
        [leak for tally in tallies for leak in tally.leaks],
    )


def line_of(tally: Tally) -> str:
    """Return the row of the table of a tally."""
    return (
        f"{tally.name:26} {tally.files:8,} {tally.read:8,} {tally.refused:8,} {len(tally.leaks):6,} "
        f"{tally.slowest:6.2f} s {tally.megabytes:5.0f} MB"
    )


if __name__ == "__main__":
    sys.exit(main())
