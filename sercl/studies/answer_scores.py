"""The scores of answers, with intervals over speakers; repeats are averaged."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sercl.metrics.functional.bootstrap import Statistic, mean_score, pooled
from sercl.metrics.functional.classification import macro_f1, recall, uar, wa
from sercl.metrics.functional.intervals import bootstrap_intervals
from sercl.studies.evaluation import Score

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
