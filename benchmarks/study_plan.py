"""Seconds of `sercl cross-eval --dry-run` on a plan of 9,600 cells, step by step, without audio or encoders.

5 encoders x 2 adapters x 64 settings and pairs of 4 corpora x 5 folds x 3 seeds (or draws of few shots). Each
corpus has 40 speakers with 50 clips: 1,600 for training, 200 for validation and 200 for test in each fold,
as in arXiv 2409.16920. Its clips are listed, never read. What is measured is the command without imports
and without the scan of the corpora: planning (with every check for leaks), looking for what is done, the
estimate, and the table.
"""

import io
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from sercl.corpora.base import Utterance
from sercl.corpora.folds import Fold
from sercl.corpora.labels import label_scheme
from sercl.data import datamodules
from sercl.data.config import LoaderConfig
from sercl.data.split import Split
from sercl.reports.cross_eval.formats import grid_report
from sercl.reports.style import table
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.cross_eval.plan.corpora import CutCorpus
from sercl.studies.cross_eval.plan.options import StudyOptions
from sercl.studies.cross_eval.plan.planner import make_plan
from sercl.studies.cross_eval.plan.trainings import Recipe, Subset
from sercl.studies.cross_eval.run.results import CellResults
from sercl.studies.cross_eval.run.works import of_pending, pending
from sercl.studies.heads.config import ProbeConfig

EMOTIONS = ("angry", "happy", "neutral", "sad")
SPEAKERS, CLIPS, FOLDS, HELD_OUT = 40, 50, 5, 4
GOAL = 10.0
EmoDB = datamodules.EmoDB  # type: ignore[attr-defined]
T = TypeVar("T")


def main() -> None:
    rows: list[tuple[str, float]] = []

    def timed(name: str, call: Callable[[], T]) -> T:
        begin = time.perf_counter()
        result = call()
        rows.append((name, time.perf_counter() - begin))
        return result

    with tempfile.TemporaryDirectory() as folder:
        corpora = {name: corpus(name, Path(folder)) for name in ("A", "B", "C", "D")}
        options = study(corpora)
        plan = timed("plan", lambda: make_plan(options, corpora, recipe))
        results = CellResults(Path(folder))
        missing = timed("what is done", lambda: pending(plan, results))
        left = timed("estimate", lambda: of_pending(missing, plan, results))
        report = timed("report", lambda: grid_report(plan, missing, left))
        timed("drawing", lambda: Console(file=io.StringIO(), width=120).print(report))
    show(len(plan.cells), rows)


def study(corpora: Iterable[str]) -> StudyOptions:
    return StudyOptions(
        encoders=["e1", "e2", "e3", "e4", "e5"],
        corpora={name: EmoDB(name) for name in corpora},
        settings=["monolingual", "zero-shot", "transfer", "two-stage", "few-shot"],
        adapters=["none", "lora+bottleneck+gating"],
        shots=[4, 16],
    )


def recipe(condition: Condition) -> Recipe:
    """Return the recipe of a condition, a new object each time, as a study file with overrides gives it."""
    decides = {"encoder": condition.encoder, "adapter": condition.adapter}
    return Recipe({}, decides, ProbeConfig() if condition.adapter == "none" else None)


def corpus(name: str, folder: Path) -> CutCorpus:
    """Return a corpus whose folds hold out 4 speakers for the test and the next 4 for validation."""
    folds, parts = [], []
    for index in range(FOLDS):
        begin = index * 2 * HELD_OUT
        tested = range(begin, begin + HELD_OUT)
        selects = range(begin + HELD_OUT, begin + 2 * HELD_OUT)
        rest = [speaker for speaker in range(SPEAKERS) if speaker not in (*tested, *selects)]
        own = {"train": rest, "validation": selects, "test": tested}
        subsets = {part: subset(name, speakers, folder) for part, speakers in own.items()}
        lists = {part: item.split.utterances for part, item in subsets.items()}
        folds.append(Fold("speaker", index, FOLDS, label_scheme("4"), **lists))
        parts.append(subsets)
    return CutCorpus(name, EmoDB(name), tuple(folds), tuple(parts))


def subset(name: str, speakers: Iterable[int], folder: Path) -> Subset:
    names = [
        (f"{name}{speaker}", f"{name}-{speaker}-{clip}") for speaker in speakers for clip in range(CLIPS)
    ]
    items = tuple(
        Utterance(clip, folder / f"{clip}.wav", EMOTIONS[index % 4], name, speaker=speaker)
        for index, (speaker, clip) in enumerate(names)
    )
    labels = tuple(index % 4 for index in range(len(items)))
    keys = tuple(clip for _, clip in names)
    return Subset(name, Split(items, labels, (1.0,) * len(items), keys, LoaderConfig()))


def show(cells: int, rows: list[tuple[str, float]]) -> None:
    total = sum(taken for _, taken in rows)
    grid = table("Step", "Seconds", title=f"{cells:,} cells", numbers=("Seconds",))
    for name, taken in [*rows, ("all", total)]:
        grid.add_row(name, f"{taken:.2f}")
    Console().print(grid)
    print(f"goal of {GOAL:.0f} s {'reached' if total <= GOAL else 'missed'}")


if __name__ == "__main__":
    main()
