"""Scores of predictions, as plain data that tables, figures and JSON files are made from."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sercl.metrics.functional.bootstrap import Statistic, mean_score, summed
from sercl.metrics.functional.classification import AVERAGES, f1, precision, recall
from sercl.metrics.functional.intervals import bootstrap_intervals
from sercl.studies.results.predictions import Predictions
from sercl.studies.results.records import as_record, with_nan

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Score:
    """A score with its 95 % interval.

    Attributes:
        value: The score, NaN if it is undefined on the data.
        low: Lower end of the interval, NaN if there is none.
        high: Upper end.
        unit: What was resampled: "speakers" or "utterances".
        count: Number of these units.
    """

    value: float
    low: float
    high: float
    unit: str
    count: int


_COUNTS = (
    "count", "n", "support", "utterances", "speakers", "folds", "repeats", "recordings", "layer", "fold",
    "seed", "shots",
)  # fmt: skip
_NUMBERS = ("value", "low", "high", "confidence")


def frame_of(rows: Iterable[Mapping[str, Any]]) -> "pd.DataFrame":
    """Return rows as a table in which counts and indices are whole numbers, also where some are unknown."""
    import pandas as pd

    return typed(pd.DataFrame(list(rows)))


def in_front(fields: Mapping[str, Any], frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table with columns of one value each in front of its own."""
    import pandas as pd

    constant = pd.DataFrame({name: [value] * len(frame) for name, value in fields.items()}, index=frame.index)
    return typed(pd.concat([constant, frame], axis=1))


def typed(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table whose counts and indices are whole numbers, also where some are unknown."""
    kinds = {**dict.fromkeys(_COUNTS, "Int64"), **dict.fromkeys(_NUMBERS, "float64")}
    return frame.astype({name: kind for name, kind in kinds.items() if name in frame.columns})


def score_row(name: str, score: Score | float) -> dict[str, Any]:
    """Return the columns of a score in a table; a plain number has no interval.

    Args:
        name: Its name, the column `score`.
        score: The columns `value`, `low`, `high`, `unit` and `count`.
    """
    if isinstance(score, Score):
        return {"score": name, **asdict(score)}
    return {"score": name, "value": score, "low": math.nan, "high": math.nan, "unit": None, "count": None}


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class.

    Attributes:
        name: The class.
        recall: Recall, NaN for an absent class.
        precision: Precision, NaN if the class was never predicted.
        f1: Harmonic mean of the two, NaN if the class is neither present nor predicted.
        support: Utterances of the class.
    """

    name: str
    recall: float
    precision: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """Scores of one run of a classifier on one list of utterances.

    Attributes:
        n: Number of utterances.
        averages: Every score of `sercl.metrics.functional.classification.AVERAGES` by name.
        per_class: One row per class, in class order.
        confusion: `[classes][classes]` counts, rows the truth.
    """

    n: int
    averages: Mapping[str, Score]
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def uar(self) -> Score:
        """Unweighted average recall over the classes present."""
        return self.averages["uar"]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in class order."""
        return tuple(row.name for row in self.per_class)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, each average under its own name; NaN becomes None."""
        content = asdict(self)
        averages = content.pop("averages")
        return dict(without_nan({"n": content.pop("n"), **averages, **content}))

    def to_frame(self) -> "pd.DataFrame":
        """Return a table with a row per average, see `score_row`; `n` is the number of utterances."""
        return frame_of({**score_row(name, own), "n": self.n} for name, own in self.averages.items())

    @classmethod
    def from_dict(cls, content: Any, path: Path, advice: str) -> Self:
        """Return the evaluation that `to_dict` described; arguments and errors as of `as_record`."""
        rows = as_record(content, dict[str, Any], path, advice, "scores")
        averages = {name: own for name, own in rows.items() if isinstance(own, dict) and "value" in own}
        nested = with_nan({**rows, "averages": averages}, cls)
        return as_record(nested, cls, path, advice, "scores")


def evaluate(predictions: Predictions) -> Evaluation:
    """Score the predictions of one system, with intervals over speakers (else utterances).

    Args:
        predictions: All of a run, or those of several folds and repeats. Averages are means over repeats that
            cover all folds; `n`, confusions and scores of classes count the tests of every repeat.
    """
    predictions = predictions.complete()
    counts = predictions.confusions()
    confusion = torch.from_numpy(counts.sum(axis=(0, 1)))
    scores = score_confusions(counts, predictions.classes, predictions.unit_name)
    columns = (recall(confusion), precision(confusion), f1(confusion), confusion.sum(dim=1))
    rows = zip(predictions.classes, *(column.tolist() for column in columns), strict=True)
    return Evaluation(
        n=len(predictions.truth),
        averages={name: scores[name] for name in AVERAGES},
        per_class=tuple(ClassScore(*row) for row in rows),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def score_confusions(confusions: NDArray[np.int64], classes: Sequence[str], unit: str) -> dict[str, Score]:
    """Return every average by name, and "recall/<class>" of each class; repeats are averaged.

    Args:
        confusions: `[units, runs, classes, classes]`, rows the truth.
        classes: Class names in class order.
        unit: What a unit is: "speakers" or "utterances".
    """
    recalls = {f"recall/{name}": _recall_of(index) for index, name in enumerate(classes)}
    return score_averages(confusions, unit, recalls)


def score_averages(
    confusions: NDArray[Any], unit: str, more: Mapping[str, Statistic] = MappingProxyType({})
) -> dict[str, Score]:
    """Return every average by name, then other scores between 0 and 1; repeats are averaged.

    Args:
        confusions: `[units, runs, classes, columns]` counts or seconds, rows the truth.
        unit: What a unit is: "speakers", "utterances" or "recordings".
        more: Name -> score.
    """
    averages: dict[str, Statistic] = {name: score.of for name, score in AVERAGES.items()}
    statistics = {**averages, **more}
    unbounded = {name: averages[name] for name in AVERAGES if AVERAGES[name].lowest < 0}
    bounded = {name: own for name, own in statistics.items() if name not in unbounded}
    intervals = bootstrap_intervals(confusions, bounded, unit=unit)
    intervals |= bootstrap_intervals(confusions, unbounded, unit=unit, bounded=False) if unbounded else {}
    whole = summed(confusions)
    values = {name: float(mean_score(whole, statistic)) for name, statistic in statistics.items()}
    rows = ((name, intervals[name]) for name in statistics)
    return {name: Score(values[name], own.low, own.high, unit, own.count) for name, own in rows}


def _recall_of(index: int) -> Statistic:
    def statistic(confusion: Tensor) -> Tensor:
        return recall(confusion)[..., index]

    return statistic


def without_nan(value: Any) -> Any:
    """Return plain data with None in place of every NaN."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
