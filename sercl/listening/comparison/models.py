"""Predictions of runs and studies, item by item."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sercl.corpora.cells import key_of
from sercl.errors import UsageError
from sercl.files import at_home
from sercl.listening.items import stem_of
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.results.predictions import Predictions
from sercl.studies.run_files import read_finished

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """What one system predicts; repeats are averaged.

    Attributes:
        name: Its folder, and of a study its condition.
        condition: Of a study.
        classes: Class names.
        items: Utterance -> row of the arrays.
        truth: `[utterances]` class index.
        predicted: `[utterances, classes]` share of the repeats that predict each class.
        probabilities: `[utterances, classes]` mean over repeats; NaN where only classes are known.
    """

    name: str
    condition: Condition | None
    classes: tuple[str, ...]
    items: Mapping[str, int]
    truth: NDArray[np.int64]
    predicted: Floats
    probabilities: Floats

    def rows(self, names: Iterable[str]) -> NDArray[np.int64]:
        """Return the row of each item, -1 for one that was not tested; names may have folder and suffix."""
        return np.array([self.items.get(key_of(stem_of(str(name))), -1) for name in names], dtype=np.int64)

    @property
    def truths(self) -> dict[str, str]:
        """Item, in its normal form -> its emotion."""
        return {name: self.classes[self.truth[row]] for name, row in self.items.items()}


def read_models(folders: Sequence[Path]) -> list[Model]:
    """Return every system of runs and studies.

    Raises:
        UsageError: For a folder that is neither, or given twice.
        ResultsError: For a broken file.
    """
    found = [read_finished(at_home(folder)) for folder in folders]
    if len(set(folders)) < len(folders):
        raise UsageError("--predictions: a folder is given twice.")
    models = []
    for own in found:
        for condition, predictions in own.predictions.items():
            label = own.folder.name if condition is None else condition.label
            name = label if condition is None or len(found) == 1 else f"{own.folder.name}: {label}"
            models.append(_model(name, condition, predictions))
    return models


def _model(name: str, condition: Condition | None, own: Predictions) -> Model:
    keys = np.array([key_of(stem_of(str(utterance))) for utterance in own.utterance], dtype=object)
    codes, names = pd.factorize(keys)
    size = (len(names), len(own.classes))
    predicted, probabilities = np.zeros(size), np.zeros(size)
    np.add.at(predicted, (codes, own.predicted), 1)
    np.add.at(probabilities, codes, own.probabilities)
    repeats = np.bincount(codes)[:, None]
    truth = np.zeros(len(names), dtype=np.int64)
    truth[codes] = own.truth
    rows = {str(key): row for row, key in enumerate(names)}
    return Model(name, condition, own.classes, rows, truth, predicted / repeats, probabilities / repeats)
