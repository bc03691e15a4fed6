"""Several folds and seeds of one experiment, each a run in a folder of its own, scored together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sercl.corpora.folds import ALL, merged_notes
from sercl.studies.results.forgetting import Forgetting, SourceTest
from sercl.studies.results.predictions import PREDICTIONS, Predictions, read_csv
from sercl.studies.results.records import RESULTS, SOURCE_PREDICTIONS
from sercl.studies.results.scores import evaluate
from sercl.studies.training.results import FoldResult, RunResults, common, environment, grouped, read


@dataclass(frozen=True)
class FoldRun:
    """A training on one fold with one seed.

    Attributes:
        seed: The seed.
        fold: Index of the fold.
        folder: Its folder, relative to that of the whole run.
    """

    seed: int
    fold: int
    folder: str


def planned(folds: Sequence[int], seed: int, seeds: Sequence[int] | None) -> list[FoldRun]:
    """Return every training: `fold-0/` and so on, below `seed-1/` where seeds are given.

    Args:
        folds: Indices of the folds.
        seed: The seed if `seeds` is None.
        seeds: Several seeds.
    """
    if seeds is None:
        return [FoldRun(seed, fold, f"fold-{fold}") for fold in folds]
    return [FoldRun(own, fold, f"seed-{own}/fold-{fold}") for own in seeds for fold in folds]


def has_all(data: Any) -> bool:
    """Return whether the options of data ask for all folds of a corpus.

    Args:
        data: Plain data, as in a configuration.
    """
    return bool(_indices(data)) and ALL in _indices(data)


def first_index(data: Any) -> int:
    """Return the index of the first corpus that names a single fold; 0 if there is none."""
    return next((index for index in _indices(data) if isinstance(index, int)), 0)


def _indices(data: Any) -> list[Any]:
    """Return the index of each corpus's folds."""
    return [own["index"] for own in fold_options(data) if "index" in own]


def fold_options(data: Any) -> list[Mapping[str, Any]]:
    """Return the options of the folds of every corpus.

    Args:
        data: Plain data, as in a configuration.
    """
    found: list[Mapping[str, Any]] = []

    def take(folds: Mapping[str, Any]) -> Mapping[str, Any]:
        found.append(folds)
        return folds

    with_folds(data, take)
    return found


def with_fold(data: Any, index: int) -> Any:
    """Return the options of data with one fold in place of all; a fold that is given by number stays.

    Args:
        data: Plain data, as in a configuration.
        index: The fold.
    """
    return with_folds(data, lambda folds: {**folds, "index": index} if folds.get("index") == ALL else folds)


def with_folds(data: Any, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Any:
    """Return the options of data with those of the folds of every corpus changed.

    Args:
        data: Plain data, as in a configuration.
        change: Called with the options of a corpus's folds.
    """
    if isinstance(data, list):
        return [with_folds(item, change) for item in data]
    if not isinstance(data, Mapping):
        return data
    changed = {key: with_folds(value, change) for key, value in data.items()}
    folds = changed.get("folds")
    return {**changed, "folds": change(folds)} if isinstance(folds, Mapping) else changed


def is_done(folder: Path) -> bool:
    """Return whether a training has its results."""
    return (folder / RESULTS).is_file()


class Pooled(NamedTuple):
    """All folds together: results, predictions, and those for the source of two-stage training."""

    results: RunResults
    predictions: Predictions
    source_test: SourceTest | None


def pool(folder: Path, runs: Sequence[FoldRun], seconds: float, group_by: Sequence[str] = ()) -> Pooled:
    """Score the test utterances of all folds together; seeds are averaged.

    Args:
        folder: Folder of the whole run.
        runs: Its trainings, all done.
        seconds: Wall-clock time of the whole run.
        group_by: Columns by which groups of utterances are scored.

    Raises:
        ResultsError: If a file of one of them is missing or broken.
    """
    read_runs = [read(folder / run.folder) for run in runs]
    predictions, first = _joined(folder, runs, PREDICTIONS), read_runs[0]
    source_test = None
    if first.forgetting is not None:
        before, after = (_joined(folder, runs, name) for name in SOURCE_PREDICTIONS)
        source_test = SourceTest(first.forgetting.corpus, before, after)
    seeds = list(dict.fromkeys(run.seed for run in runs))
    data = {**first.data, "notes": []}
    for of_one_fold in ("splits", "folds"):
        data.pop(of_one_fold, None)
    results = RunResults(
        part="test",
        scores=evaluate(predictions),
        data=data,
        model={**first.model, "chosen_state": common(own.model.get("chosen_state") for own in read_runs)},
        stages=(),
        environment=environment(seeds[0] if len(seeds) == 1 else None),
        seconds=seconds,
        remarks=tuple(_notes(runs, read_runs)),
        folds=tuple(_fold_result(run, own) for run, own in zip(runs, read_runs, strict=True)),
        forgetting=None if source_test is None else Forgetting.of(source_test),
        groups=grouped(predictions, group_by),
    )
    return Pooled(results, predictions, source_test)


def _joined(folder: Path, runs: Sequence[FoldRun], name: str) -> Predictions:
    """Return the predictions in the files of a name of all trainings."""
    import pandas as pd

    frames = [
        read_csv(folder / run.folder / name).to_frame().assign(seed=run.seed, fold=run.fold) for run in runs
    ]
    return Predictions.from_frame(pd.concat(frames, ignore_index=True))


def _fold_result(run: FoldRun, own: RunResults) -> FoldResult:
    return FoldResult(
        seed=run.seed,
        fold=run.fold,
        folder=run.folder,
        n=own.scores.n,
        averages=own.scores.averages,
        stages=own.stages,
        seconds=round(own.seconds, 2),
    )


def _notes(runs: Sequence[FoldRun], read_runs: Sequence[RunResults]) -> list[str]:
    """Return the notes common to all trainings, then those of some, each once with their folders."""
    merged = merged_notes((run.folder, own.notes) for run, own in zip(runs, read_runs, strict=True))
    return [f"{', '.join(folders)}: {note}" if folders else note for folders, note in merged]
