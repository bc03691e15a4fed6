"""Seconds from calling `sercl --help` to its end: median and worst of several runs, and their processor time.

Processor time depends less on other programs. What Python itself takes is measured in between.
"""

import resource
import statistics
import subprocess
import sys
import time

RUNS = 15
GOAL = 0.1
PYTHON = "Python alone"


def main() -> None:
    pages = (["--help"], ["--version"], ["fit", "--help"], ["predict", "--help"])
    commands = {PYTHON: ["-c", "pass"]}
    commands |= {f"sercl {' '.join(words)}": ["-m", "sercl", *words] for words in pages}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, words in commands.items():
            taken[name].append(run(words))
    for name, found in taken.items():
        wall = sorted(seconds for seconds, _ in found)
        median, processor = statistics.median(wall), statistics.median(used for _, used in found)
        verdict = f"  above the goal of {GOAL} s" if name != PYTHON and median >= GOAL else ""
        print(
            f"{name:22} median {median:.3f} s  worst {wall[-1]:.3f} s  processor {processor:.3f} s{verdict}"
        )


def run(words: list[str]) -> tuple[float, float]:
    """Return the seconds of a process, and its processor time in s."""
    begin, before = time.perf_counter(), used()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin, used() - before


def used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
