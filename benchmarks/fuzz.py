"""Give every parser of sercl mutated files, and count results, errors of sercl, and anything else.

    python benchmarks/fuzz.py --seconds 5                       # of each parser
    python benchmarks/fuzz.py --seconds 60 --only checkpoint encoder-whisper --jobs 2
    python benchmarks/fuzz.py --seconds 60 --only segments --atheris    # uv pip install atheris

The files are those of `tests/parsers.py`, mutated as `tests/fuzz.py` says, from a seed. With `--atheris`,
files that reach new code of sercl are mutated further, also by libFuzzer. Each parser runs in a process of
its own, where a file may take 10 s of processor time and 1 GB. What breaks these bounds, raises an error that
is not of sercl, ends the process or takes a minute by the clock is a leak; its input is kept in `--keep`, and
the exit code is 1.
"""

import argparse
import importlib.util
import io
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple, NoReturn

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests are not a package that is installed

_GUIDED = "--atheris"


@contextmanager
def _covered() -> Iterator[None]:
    """Let imports of sercl say which of their code is reached, if that is asked for."""
    if _GUIDED not in sys.argv or importlib.util.find_spec("atheris") is None:
        yield
        return
    import atheris

    with redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["sercl", "yaml"]):
        yield


import lightning.pytorch  # noqa: E402, F401 - with torch, before the processes are forked
import pandas  # noqa: E402, F401

with _covered():
    from sercl.studies import reading  # noqa: F401
    from sercl.tasks import classification, diarization  # noqa: F401
    from tests.fuzz import TooSlowError, bounded, try_file
    from tests.parsers import PARSERS, Parser

MOST_CLOCK = 60.0
"""Seconds by the clock for one file: a reader may wait in code that is not Python, where no limit is seen."""
_START = 120.0
"""Seconds by the clock until the first file: the parser's valid file is written and read before."""
_SEEDS = 100
"""Mutated files with which atheris begins, beside the valid one."""
_FORK = get_context("fork")  # the imports take seconds


class Work(NamedTuple):
    """A parser, and for how many seconds it gets files from a seed; where those that leak are kept.

    If guided, atheris chooses what is mutated.
    """

    name: str
    seconds: float
    seed: int
    keep: Path
    guided: bool = False


@dataclass
class Tally:
    """What became of the files of one parser.

    The memory is that of the file that took most; `new` counts those that reached new code, if guided.
    """

    name: str
    read: int = 0
    refused: int = 0
    slowest: float = 0.0
    megabytes: float = 0.0
    leaks: list[str] = field(default_factory=list)
    new: int = 0
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
    parser.add_argument(
        _GUIDED, dest="guided", action="store_true", help="mutate further what reaches new code"
    )
    options = parser.parse_args(words)
    if options.guided and importlib.util.find_spec("atheris") is None:
        parser.error(
            f"{_GUIDED} needs the package atheris: uv pip install atheris (Linux on x86-64; each release is "
            "for some versions of Python)."
        )
    names = [name for name in PARSERS if not options.only or name.startswith(tuple(options.only))]
    options.keep.mkdir(exist_ok=True)
    work = [Work(name, options.seconds, options.seed, options.keep, options.guided) for name in names]
    with ThreadPoolExecutor(options.jobs) as pool:  # threads that wait for a process each
        tallies = []
        print(
            f"{'parser':26} {'files':>8} {'read':>8} {'refused':>8} {'leaks':>6} {'slowest':>8} {'memory':>8}"
            f"{' {:>7}'.format('new') if options.guided else ''}"
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
    latest, most = Tally(work.name), _START
    try:
        while ours.poll(most):
            latest, most = ours.recv(), MOST_CLOCK
            if latest.is_done:
                return latest
        ended = f"no end after {most:g} s by the clock"
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
    """Give files to one parser for so many seconds; send the tally before each, and as done in the end."""
    parser, draw = PARSERS[work.name], random.Random(f"{work.seed} {work.name}")
    tally, current = Tally(work.name), work.keep / f"{work.name}-ended"
    warnings.simplefilter("ignore")
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - what libraries say of broken files
    folder = tempfile.TemporaryDirectory()  # not a block: libFuzzer does not return
    path = _valid_file(parser, Path(folder.name))
    valid, end = path.read_bytes(), time.perf_counter() + work.seconds

    def attempt(content: bytes) -> None:
        current.write_bytes(content)
        send(tally)
        _try(tally, path, content, parser, work.keep)

    def finish() -> None:
        folder.cleanup()
        current.unlink(missing_ok=True)
        tally.is_done = True
        send(tally)

    files = (draw.choice(parser.mutators)(valid, draw) for _ in iter(int, 1))
    if work.guided:
        _guide(tally, attempt, finish, end, [valid, *islice(files, _SEEDS)], parser, Path(folder.name))
    while time.perf_counter() < end:
        attempt(next(files))
    finish()


def _valid_file(parser: Parser, folder: Path) -> Path:
    """Write a parser's valid file into a folder, read it, and return its path."""
    home, place = folder / "home", folder / "work"
    home.mkdir()
    place.mkdir()
    os.environ["XDG_CACHE_HOME"] = str(home)
    parser.write(place)
    with _covered():
        parser.read(place / parser.file)  # imports what it needs
    return place / parser.file


def _guide(
    tally: Tally,
    attempt: Callable[[bytes], None],
    finish: Callable[[], None],
    end: float,
    seeds: Sequence[bytes],
    parser: Parser,
    folder: Path,
) -> NoReturn:
    """Let atheris choose what is attempted until the end, then finish and end the process."""
    import atheris

    corpus = folder / "corpus"
    corpus.mkdir()
    for number, content in enumerate(seeds):
        (corpus / str(number)).write_bytes(content)

    def attempt_until_end(content: bytes) -> None:
        if time.perf_counter() < end:
            attempt(content)
            return
        tally.new = len(list(corpus.iterdir())) - len(seeds)
        finish()
        os._exit(0)

    def mutate(content: bytes, most: int, seed: int) -> bytes:
        """Mutate as the tests do, which know the format, or as libFuzzer does, which knows nothing."""
        draw = random.Random(seed)
        if draw.random() < 0.5:
            with suppress(Exception, TooSlowError), bounded():  # what is no longer of the format
                return draw.choice(parser.mutators)(content, draw)[:most]
        return bytes(atheris.Mutate(content, most))

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where libFuzzer reports
    words = ["fuzz", str(corpus), f"-seed={zlib.crc32(tally.name.encode()) + 1}", "-rss_limit_mb=0"]
    atheris.Setup(words, attempt_until_end, custom_mutator=mutate)
    atheris.Fuzz()
    raise RuntimeError("libFuzzer has returned")


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
        sum(tally.new for tally in tallies),
    )


def line_of(tally: Tally) -> str:
    """Return the row of the table of a tally."""
    return (
        f"{tally.name:26} {tally.files:8,} {tally.read:8,} {tally.refused:8,} {len(tally.leaks):6,} "
        f"{tally.slowest:6.2f} s {tally.megabytes:5.0f} MB{f' {tally.new:>7,}' if tally.new else ''}"
    )


if __name__ == "__main__":
    sys.exit(main())
