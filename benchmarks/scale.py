"""What 100,000 utterances cost before anything is trained: listing, checking and cutting folds.

    python benchmarks/scale.py --out scale.json

Writes a corpus of short noise of 100 speakers with a manifest, then measures, each in a process of its own:
`sercl corpus inspect`, cold and again; and the set-up of `sercl fit` (reading the manifest, checking the
audio, folds, lists of their utterances), cold and again, with its imports, which are measured alone, too, and
without the encoder. Peak memory is that of the largest process, before
Python ends, which reads another 0.1 GB of libraries to close them. Goals: inspected again in 15 s; set up in
60 s and 1 GB.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console

from sercl.reports.style import table

RATE, SPEAKERS = 16_000, 100
EMOTIONS = ("angry", "happy", "neutral", "sad")
START = """
import os, sys
from pathlib import Path
from sercl.cli.console import loading
with loading():
"""
IMPORTS = f"{START}    import sercl.cli.folds"
SET_UP = f"""{IMPORTS}
    from sercl.data.datamodules.base import Memories
    from sercl.data.datamodules.own import Manifest
data = Manifest(sys.argv[1])
data.memories = Memories.stored_in(Path(sys.argv[2]))
data.setup()
data.save_folds(Path(sys.argv[2]) / "folds.json")
assert sum(len(split.utterances) for split in data.splits.values()) > 0
os._exit(0)
"""


@dataclass(frozen=True)
class Run:
    """One process: what it did, its seconds, and its peak of memory in bytes."""

    what: str
    seconds: float
    memory: int


def main() -> None:
    options = build_parser().parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        manifest = options.manifest or write_corpus(Path(folder), options.utterances)
        runs = measured(manifest, Path(folder) / "caches")
    show(runs)
    if options.out:
        options.out.write_text(json.dumps([asdict(run) for run in runs], indent=2))


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--utterances", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="disk to write the corpus to; 10 kB per utterance")
    parser.add_argument("--manifest", type=Path, help="a corpus of your own, in place of one of noise")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    return parser


def write_corpus(folder: Path, count: int) -> Path:
    """Write noise of 0.3 s, in a folder for each speaker, and return the manifest."""
    rng, rows = np.random.default_rng(0), ["path,emotion,speaker"]
    for speaker in range(SPEAKERS):
        (folder / f"{speaker:03d}").mkdir()
    for number in range(count):
        name = f"{number % SPEAKERS:03d}/{number:06d}.wav"
        noise = rng.standard_normal(round(0.3 * RATE), dtype=np.float32)
        soundfile.write(folder / name, 0.1 * noise, RATE, subtype="PCM_16")
        rows.append(f"{name},{EMOTIONS[number // SPEAKERS % len(EMOTIONS)]},s{number % SPEAKERS:03d}")
    manifest = folder / "list.csv"
    manifest.write_text("\n".join(rows) + "\n")
    return manifest


def measured(manifest: Path, caches: Path) -> list[Run]:
    """Run everything twice, with caches of its own."""
    inspect = ["-m", "sercl", "corpus", "inspect", "Manifest", "--root", str(manifest), "--json"]
    set_up = ["-c", SET_UP, str(manifest), str(caches / "fit")]
    (caches / "fit").mkdir(parents=True)
    imports = ["-c", f"{IMPORTS}\nos._exit(0)"]
    return [run(f"imports of fit, {again}", imports, caches) for again in ("first time", "again")] + [
        run(f"{name}, {again}", words, caches / "inspect")
        for name, words in (("corpus inspect", inspect), ("set-up of fit", set_up))
        for again in ("first time", "again")
    ]


def run(what: str, words: list[str], cache: Path) -> Run:
    """Run Python in a process of its own, with a folder for caches."""
    code = (
        "import resource, subprocess, sys, time; begin = time.perf_counter();"
        "done = subprocess.run([sys.executable, *sys.argv[1:]], stdout=subprocess.DEVNULL);"
        "own = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024;"
        "print(done.returncode, time.perf_counter() - begin, own)"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True, check=True
    )
    status, seconds, memory = done.stdout.split()
    if status != "0":
        raise SystemExit(f"{what}: exit code {status}. {done.stderr}")
    return Run(what, float(seconds), int(memory))


def show(runs: list[Run]) -> None:
    numbers = ("Seconds", "Peak MB")
    grid = table("Step", *numbers, numbers=numbers)
    for own in runs:
        grid.add_row(own.what, f"{own.seconds:.1f}", f"{own.memory / 1e6:.0f}")
    Console().print(grid)


if __name__ == "__main__":
    main()
