"""Run `sercl fit` on every fold and score all test utterances together; or train a diarizer on every fold.

Arguments after `--` go to `sercl fit`; folds already in the output folder are not run again:

    python benchmarks/folds.py --out runs/emodb -- --data EmoDB --data.root emodb --model.encoder whisper-base

`--command "diarize fit"` trains diarizers, and `sercl diarize evaluate` then evaluates all folds together:

    python benchmarks/folds.py --command "diarize fit" --out runs/diarizer -- --data EmoDB --data.root emodb
    sercl diarize evaluate runs/diarizer/fold*/best.ckpt --tune --baseline runs/emodb/fold*/best.ckpt
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from rich.console import Console

from sercl.reports.results import confusion_text, results_table
from sercl.reports.style import table
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.scores import evaluate


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument(
        "--key", default="--data.folds.index", help="option that selects the fold; several joined by commas"
    )
    parser.add_argument("--command", choices=list(COMMANDS), default="fit", help="what trains (fit)")
    parser.add_argument("fit", nargs="*", help="options of the command, after --")
    options = parser.parse_args()
    begin = time.perf_counter()
    runs = [run_fold(options, index) for index in range(options.folds)]
    COMMANDS[options.command](runs, options.out)
    Console(width=110).print(f"{time.perf_counter() - begin:.0f} s in this call")


def run_fold(options: argparse.Namespace, index: int) -> dict:
    folder = options.out / f"fold{index}"
    if not (folder / "results.json").is_file():
        keys = [word for key in options.key.split(",") for word in (key, str(index))]
        command = [
            sys.executable,
            "-m",
            "sercl",
            *options.command.split(),
            *options.fit,
            *keys,
            "--out",
            str(folder),
            "--overwrite",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads((folder / "results.json").read_text())


def show_scores(runs: list[dict], out: Path) -> None:
    console = Console(width=110)
    columns = ("Fold", "UAR %", "WA %", "Hidden state", "Epochs", "Seconds")
    grid = table(*columns, numbers=columns)
    for index, run in enumerate(runs):
        scores = [f"{100 * run['scores'][name]['value']:.1f}" for name in ("uar", "wa")]
        stage = run["stages"][-1]
        grid.add_row(
            str(index), *scores, str(stage["chosen_state"]), str(stage["epochs"]), f"{run['seconds']:.0f}"
        )
    console.print(grid)
    mean = sum(run["scores"]["uar"]["value"] for run in runs) / len(runs)
    frames = [
        pd.read_csv(out / f"fold{index}" / "predictions.csv", dtype={"utterance": str, "speaker": str})
        for index in range(len(runs))
    ]
    result = evaluate(Predictions.from_frame(pd.concat(frames)))
    console.print(f"Mean UAR of the folds: {100 * mean:.1f} %")
    console.print(results_table(result, "All folds together", runs[0]["notes"]))
    console.print(confusion_text(result.confusion, result.classes))
    (out / "summary.json").write_text(json.dumps({"mean_uar": mean, **result.to_dict()}, indent=2))


def show_diarizers(runs: list[dict], out: Path) -> None:
    console = Console(width=110)
    columns = ("Fold", "EDER %", "Validation EDER %", "Best epoch", "Epochs", "Seconds")
    grid = table(*columns, numbers=columns)
    for index, run in enumerate(runs):
        stage, scores = run["stages"][-1], run["systems"][0]["scores"]
        errors = [f"{100 * value:.1f}" for value in (scores["eder"]["value"], stage["score"])]
        epochs = str(stage["epoch"]), str(stage["epochs"])
        grid.add_row(str(index), *errors, *epochs, f"{run['seconds']:.0f}")
    console.print(grid)
    console.print(f"All folds together: sercl diarize evaluate {out}/fold*/best.ckpt", soft_wrap=True)


COMMANDS = {"fit": show_scores, "diarize fit": show_diarizers}
"""Command that trains -> function that shows its folds."""


if __name__ == "__main__":
    main()
