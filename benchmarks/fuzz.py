"""Give every parser of sercl mutated files, and count results, errors of sercl, and anything else.

    python benchmarks/fuzz.py --seconds 5                       # of each parser
    python benchmarks/fuzz.py --seconds 60 --only checkpoint encoder-whisper --jobs 2

The files are those of `tests/parsers.py`, mutated as `tests/fuzz.py` says, from a seed. Each parser runs in a
process of its own, where a file may take 10 s of processor time and 1 GB. What breaks these bounds, or
raises an error that is not of sercl, is a leak; its input is kept in `--keep`, and the exit code is 1.
"""

import argparse
import os
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests are not a package that is installed

from sercl.studies import reading  # noqa: F401 - with pandas, before the processes are forked
from sercl.tasks import classification, diarization  # noqa: F401 - with torch
from tests.fuzz import TooSlowError, try_file
from tests.parsers import PARSERS


@dataclass
class Tally:
    """What became of the files of one parser."""

    name: str
    read: int = 0
    refused: int = 0
    slowest: float = 0.0
    megabytes: float = 0.0
    leaks: list[str] = field(default_factory=list)

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
    work = [(name, options.seconds, options.seed, options.keep) for name in names]
    # A process for each parser, so that its memory is its own; forked, since their imports take seconds.
    with get_context("fork").Pool(options.jobs, maxtasksperchild=1) as pool:
        tallies = []
        print(
            f"{'parser':26} {'files':>8} {'read':>8} {'refused':>8} {'leaks':>6} {'slowest':>8} {'memory':>8}"
        )
        for tally in pool.imap(_tally, work):
            print(line_of(tally), flush=True)
            for leak, count in Counter(tally.leaks).most_common(20):
                print(f"    {count} x {leak}")
            tallies.append(tally)
    print(line_of(total_of(tallies)))
    return 1 if any(tally.leaks for tally in tallies) else 0


def _tally(work: tuple[str, float, int, Path]) -> Tally:
    """Give files to one parser for so many seconds."""
    name, seconds, seed, keep = work
    parser, draw, tally = PARSERS[name], random.Random(f"{seed} {name}"), Tally(name)
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
        before, begin = _peak(), time.perf_counter()
        while time.perf_counter() - begin < seconds:
            content = draw.choice(parser.mutators)(valid, draw)
            _try(tally, path, content, parser, keep)
        tally.megabytes = _peak() - before
    return tally


def _try(tally: Tally, path: Path, content: bytes, parser, keep: Path) -> None:
    begin = time.perf_counter()
    try:
        refusal, seconds = try_file(path, content, parser.read)
    except (Exception, TooSlowError) as error:
        seconds = time.perf_counter() - begin
        frames = [each for each in traceback.extract_tb(error.__traceback__) if "sercl" in each.filename]
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        leak = f"{type(error).__name__} in {where}: {' '.join(str(error).split())[:90]}"
        if leak not in tally.leaks:
            keep.mkdir(exist_ok=True)
            (keep / f"{tally.name}-{len(set(tally.leaks))}{path.suffix}").write_bytes(content)
        tally.leaks.append(leak)
    else:
        tally.refused += refusal is not None
        tally.read += refusal is None
    tally.slowest = max(tally.slowest, seconds)


def _peak() -> float:
    """Return the largest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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
