"""Seconds from calling `sercl` to the end of a help page, or to the first prediction, and processor time.

    python benchmarks/startup.py
    python benchmarks/startup.py --clip emodb/wav/03a01Fa.wav

Medians and worst of several runs. Processor time depends less on other programs. What Python itself takes is
measured in between. With a clip, `sercl predict` (the starter model, or `--checkpoint`) is timed to its first
line, the prediction of that clip; once before, so that files are in the system's cache.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time

RUNS = 15
GOAL, GOAL_OF_LINE = 0.1, 4.0
PYTHON, PREDICT = "Python alone", "sercl predict, first line"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", help="recording that is predicted")
    parser.add_argument("--checkpoint", help="of the prediction; the starter model without it")
    options = parser.parse_args()
    pages = (["--help"], ["--version"], ["fit", "--help"], ["predict", "--help"])
    commands = {PYTHON: ["-c", "pass"]}
    commands |= {f"sercl {' '.join(words)}": ["-m", "sercl", *words] for words in pages}
    if options.clip:
        files = [name for name in (options.checkpoint, options.clip) if name]
        commands[PREDICT] = ["-m", "sercl", "predict", *files, "--format", "jsonl"]
        run(PREDICT, commands[PREDICT])
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, words in commands.items():
            taken[name].append(run(name, words))
    for name, found in taken.items():
        show(name, found)


def show(name: str, found: list[tuple[float, float]]) -> None:
    wall = sorted(seconds for seconds, _ in found)
    median, processor = statistics.median(wall), statistics.median(used for _, used in found)
    goal = GOAL_OF_LINE if name == PREDICT else GOAL
    verdict = f"  above the goal of {goal} s" if name != PYTHON and median >= goal else ""
    print(f"{name:25} median {median:.3f} s  worst {wall[-1]:.3f} s  processor {processor:.3f} s{verdict}")


def run(name: str, words: list[str]) -> tuple[float, float]:
    """Return the seconds of a process, or to the first line of a prediction, and its processor time in s."""
    begin, before = time.perf_counter(), used()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, *words], **pipes) as process:
        process.stdout.readline()
        first = time.perf_counter() - begin
        process.stdout.read()
    if process.returncode:
        raise SystemExit(f"python {' '.join(words)}: ended with code {process.returncode}")
    return first if name == PREDICT else time.perf_counter() - begin, used() - before


def used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
