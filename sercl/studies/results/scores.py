"""All numbers of one evaluation, as plain data that tables, figures and JSON files are made from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sercl.errors import UsageError
from sercl.metrics.functional.bootstrap import Statistic, mean_score, pooled
from sercl.metrics.functional.classification import (
    confusion_matrix,
    f1,
    macro_f1,
    precision,
    recall,
    uar,
    wa,
)
from sercl.metrics.functional.intervals import bootstrap_intervals, clustered_interval


@dataclass(frozen=True)
class Score:
    """A score with its 95 % interval.

    Attributes:
        value: 0 to 1, NaN where the data cannot tell.
        low: Lower end of the interval, NaN where there is none.
        high: Upper end.
        unit: What was resampled: "speakers" or "utterances".
        count: How many of them there are.
    """

    value: float
    low: float
    high: float
    unit: str
    count: int


@dataclass(frozen=True)
class ClassScore:
    """Scores of one class.

    Attributes:
        name: The class.
        recall: Share of the class that was found, NaN for an absent class.
        precision: Share of its predictions that were right, NaN where it was never predicted.
        f1: Harmonic mean of the two, NaN where it is neither present nor predicted.
        support: Utterances of the class.
    """

    name: str
    recall: float
    precision: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """Scores of one classifier on one list of utterances.

    Attributes:
        n: Number of utterances.
        uar: Unweighted average recall over the classes present.
        wa: Weighted accuracy.
        macro_f1: Mean F1 of the classes present or predicted.
        per_class: One row per class, in class order.
        confusion: `[classes][classes]` counts, rows the truth.
    """

    n: int
    uar: Score
    wa: Score
    macro_f1: Score
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in class order."""
        return tuple(row.name for row in self.per_class)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as what JSON and YAML hold; NaN becomes None."""
        return {key: without_nan(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Rebuild what `to_dict` gave."""
        return cls(
            n=content["n"],
            uar=Score(**_with_nan(content["uar"])),
            wa=Score(**_with_nan(content["wa"])),
            macro_f1=Score(**_with_nan(content["macro_f1"])),
            per_class=tuple(ClassScore(**_with_nan(row)) for row in content["per_class"]),
            confusion=tuple(tuple(row) for row in content["confusion"]),
        )


def evaluate(
    truth: Sequence[int], predicted: Sequence[int], speakers: Sequence[str | None], classes: Sequence[str]
) -> Evaluation:
    """Score predictions.

    Args:
        truth: `n` class indices.
        predicted: `n` class indices.
        speakers: `n` speaker names, None where unknown; intervals resample them where there are enough.
        classes: Class names in class order.

    Raises:
        UsageError: For inputs of different lengths, or none at all.
    """
    if not truth:
        raise UsageError("evaluation: no utterances to evaluate; at least one is needed.")
    if not len(truth) == len(predicted) == len(speakers):
        sizes = f"{len(truth)} truths, {len(predicted)} predictions, {len(speakers)} speakers"
        raise UsageError(f"evaluation: {sizes}; one of each is needed per utterance.")
    confusion = confusion_matrix(torch.tensor(truth), torch.tensor(predicted), len(classes))

    def score(statistic: Statistic) -> Score:
        interval = clustered_interval(truth, predicted, speakers, len(classes), statistic)
        return Score(float(statistic(confusion)), interval.low, interval.high, interval.unit, interval.count)

    columns = (recall(confusion), precision(confusion), f1(confusion), confusion.sum(dim=1))
    rows = zip(classes, *(column.tolist() for column in columns), strict=True)
    return Evaluation(
        n=len(truth),
        uar=score(uar),
        wa=score(wa),
        macro_f1=score(macro_f1),
        per_class=tuple(ClassScore(*row) for row in rows),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def without_nan(value: Any) -> Any:
    """Return plain data with None in place of every NaN."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _with_nan(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: math.nan if value is None else value for key, value in row.items()}


AVERAGES = ("uar", "wa", "macro_f1")


def score_confusions(confusions: NDArray[np.int64], classes: Sequence[str], unit: str) -> dict[str, Score]:
    """Return "uar", "wa", "macro_f1", and "recall/<class>" of each class.

    Args:
        confusions: `[units, runs, classes, classes]`, rows the truth.
        classes: Class names in class order.
        unit: What a unit is: "speakers" or "utterances".
    """
    recalls = {f"recall/{name}": _recall_of(index) for index, name in enumerate(classes)}
    statistics: dict[str, Statistic] = {"uar": uar, "wa": wa, "macro_f1": macro_f1, **recalls}
    intervals = bootstrap_intervals(confusions, statistics, unit=unit)
    whole = pooled(confusions)
    values = {name: float(mean_score(whole, statistic)) for name, statistic in statistics.items()}
    return {name: Score(values[name], own.low, own.high, unit, own.count) for name, own in intervals.items()}


def _recall_of(index: int) -> Statistic:
    def statistic(confusion: Tensor) -> Tensor:
        return recall(confusion)[..., index]

    return statistic
