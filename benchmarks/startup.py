"""Seconds from calling `sercl --help` to its end: median and worst of several runs."""

import statistics
import subprocess
import sys
import time

RUNS = 15
GOAL = 0.3


def main() -> None:
    for words in (["--help"], ["--version"], ["fit", "--help"], ["predict", "--help"]):
        seconds = sorted(run(words) for _ in range(RUNS))
        median, worst = statistics.median(seconds), seconds[-1]
        verdict = "" if median < GOAL else f"  above the goal of {GOAL} s"
        print(f"sercl {' '.join(words):15} median {median:.3f} s  worst {worst:.3f} s{verdict}")


def run(words: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-m", "sercl", *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
