"""Run the benchmarks: always those that need no data, and those on real data if its path is given.

    python benchmarks/run.py --emodb emodb --ravdess ravdess --encoder whisper-base

Each path can also be given by an environment variable (SERCL_BENCH_EMODB, SERCL_BENCH_RAVDESS,
SERCL_BENCH_ENCODER), as for `make bench`.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PLACES = {
    "emodb": "folder of EMO-DB",
    "ravdess": "folder of RAVDESS",
    "encoder": "speech encoder: a short name, a hub id or a folder",
}


@dataclass(frozen=True)
class Benchmark:
    """A script, or a command of sercl, and its words, which may hold `{out}` and the names in `needs`."""

    script: str
    what: str
    needs: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def missing(self, places: Mapping[str, str]) -> list[str]:
        return [name for name in self.needs if not places[name]]

    def command(self, places: Mapping[str, str], out: Path) -> list[str]:
        words = [word.format(out=out, **places) for word in self.words]
        if not self.script.endswith(".py"):
            return [sys.executable, "-m", *self.script.split(), *words]
        return [sys.executable, str(HERE / self.script), *words]


def on_every_fold(corpus: str, place: str) -> Benchmark:
    """Return the benchmark of a frozen encoder on five speaker-disjoint folds."""
    fit = ("--data", corpus, "--data.root", f"{{{place}}}", "--model.encoder", "{encoder}")
    return Benchmark(
        script="sercl fit",
        what=f"frozen encoder on {corpus}, five folds of disjoint speakers",
        needs=(place, "encoder"),
        words=(*fit, "--data.folds.index", "all", "--out", f"{{out}}/{place}-frozen"),
    )


BENCHMARKS = (
    Benchmark("startup.py", "seconds until a help page appears"),
    Benchmark("groups.py", "coverage of intervals of differences between groups of speakers"),
    Benchmark("feature_store.py", "memory and time of the feature store, 10 thousand and 1 million rows"),
    Benchmark("probe_training.py", "seconds to train the probes of a study, stacked and one after the other"),
    Benchmark(
        "long_recording.py",
        "memory and time of diarization, 2 minutes and 2 hours",
        needs=("encoder",),
        words=("--encoder", "{encoder}"),
    ),
    Benchmark(
        "predict_memory.py",
        "memory of prediction over 10,000 files",
        needs=("encoder",),
        words=("--encoder", "{encoder}"),
    ),
    Benchmark("study_plan.py", "seconds to plan and show a study of 9,600 cells"),
    Benchmark("listening.py", "coverage of intervals and false findings in simulated listening tests"),
    Benchmark("extraction.py", "rate of extraction, from files to the feature store"),
    Benchmark(
        "probe_study.py",
        "seconds of a layer probe on 72 clips, cold and once more",
        needs=("emodb",),
        words=("--emodb", "{emodb}"),
    ),
    on_every_fold("EmoDB", "emodb"),
    on_every_fold("RAVDESS", "ravdess"),
)


def main(words: Sequence[str] | None = None) -> int:
    options = vars(build_parser().parse_args(words))
    out = options.pop("out")
    failed = 0
    for benchmark in BENCHMARKS:
        print(f"\n== {benchmark.what}", flush=True)
        if missing := benchmark.missing(options):
            print("skipped: give " + " and ".join(f"--{name} ({PLACES[name]})" for name in missing))
            continue
        failed += subprocess.run(benchmark.command(options, out), check=False).returncode != 0
    return min(failed, 1)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, what in PLACES.items():
        parser.add_argument(f"--{name}", default=os.environ.get(f"SERCL_BENCH_{name.upper()}"), help=what)
    parser.add_argument("--out", type=Path, default=Path("bench"), help="where runs go (bench)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
