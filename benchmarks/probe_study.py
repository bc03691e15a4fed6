"""How long `sercl layer-probe` takes on a small study: one fold, all five, and the same once more.

    python benchmarks/probe_study.py --emodb emodb

72 clips of EMO-DB, equally many per class; an encoder of wav2vec2-base's size with random weights, 13 hidden
states; the study's probe and schedule. Each run is a process of its own, so that imports count; what they
take is measured apart.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from transformers import Wav2Vec2Config, Wav2Vec2Model

from sercl.corpora.base import Utterance
from sercl.corpora.manifest import write_manifest
from sercl.corpora.registry import read_corpus
from sercl.reports.style import table

CLASSES = ("angry", "happy", "neutral", "sad")
CLIPS_PER_CLASS = 18
FOLD = {"train": 12, "validation": 3, "test": 3}  # clips of each class: 48, 12 and 12 in all


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--emodb", type=Path, required=True, help="folder of EMO-DB")
    emodb = parser.parse_args().emodb
    with tempfile.TemporaryDirectory() as folder:
        show(measure(Path(folder), emodb))


def measure(folder: Path, emodb: Path) -> list[tuple[str, float]]:
    """Return what was run, and its seconds."""
    Wav2Vec2Model(Wav2Vec2Config()).save_pretrained(folder / "encoder")
    (folder / "encoder" / "preprocessor_config.json").write_text(json.dumps({"do_normalize": True}))
    clips = chosen(read_corpus("EmoDB", emodb).utterances)
    write_manifest(clips, folder / "clips.csv")
    write_fold(clips, folder / "fold")
    common = ("--encoder", str(folder / "encoder"), "--probe", "paper", "--probe.control", "false")
    one = ("--data", "Manifest", "--data.root", str(folder / "clips.csv"), "--data.folds.scheme", "csv")
    one += ("--data.folds.lists", str(folder / "fold"), "--data.folds.allow_speaker_overlap", "true")
    five = ("--data", "Manifest", "--data.root", str(folder / "clips.csv"))
    runs = [("imports alone", ("--print_config",), one)]
    runs += [("one fold, cold", (), one), ("the same once more", (), one), ("five folds, then", (), five)]
    rows = []
    for number, (name, extra, data) in enumerate(runs):
        words = (*data, *common, "--features.dir", str(folder / "store"), "--out", str(folder / str(number)))
        rows.append((name, seconds(("layer-probe", *extra, *words))))
    return rows


def seconds(words: Sequence[str]) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-m", "sercl", *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def chosen(utterances: Sequence[Utterance]) -> list[Utterance]:
    """Return equally many clips of each class, spread over the speakers."""
    picked = []
    for name in CLASSES:
        own = sorted((u for u in utterances if u.emotion == name), key=lambda u: u.id)
        step = len(own) / CLIPS_PER_CLASS
        picked += [own[int(number * step)] for number in range(CLIPS_PER_CLASS)]
    return picked


def write_fold(clips: Sequence[Utterance], folder: Path) -> None:
    folder.mkdir()
    for part, (begin, count) in zip(FOLD, ((0, 12), (12, 3), (15, 3)), strict=True):
        with (folder / f"{part}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("file", "answer"))
            for number, name in enumerate(CLASSES):
                own = clips[number * CLIPS_PER_CLASS :][begin : begin + count]
                rows.writerows((Path(clip.path).name, name) for clip in own)


def show(rows: Sequence[tuple[str, float]]) -> None:
    grid = table("Run", "Seconds", numbers=("Seconds",))
    for name, taken in rows:
        grid.add_row(name, f"{taken:.1f}")
    Console().print(grid)


if __name__ == "__main__":
    main()
