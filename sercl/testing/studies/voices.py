"""Utterances of an invented corpus, and an invented classifier's predictions for them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sercl.studies.cross_eval.cells import Cell, Condition
from sercl.studies.cross_eval.sources import PLUS
from sercl.studies.cross_eval.study_file import cell_table
from sercl.studies.results.predictions import Predictions
from sercl.testing.studies.grid import CLASSES

Confusion = Callable[[Condition], Sequence[Sequence[float]]]
"""Condition -> `[classes][classes]`, each row the probability of each prediction for a true class."""


def typical_confusion(condition: Condition) -> list[list[float]]:
    """Return a condition's likely confusions: zero-shot is worst, adapters help, happy is taken for angry."""
    recall = _typical_recall(condition)
    rows = []
    for truth in range(len(CLASSES)):
        own = float(np.clip(recall + (0.08, -0.14, 0.04, 0.02)[truth], 0.05, 0.97))
        near = (1, 0, 3, 2)[truth]
        row = [(1 - own) * 0.2] * len(CLASSES)
        row[near], row[truth] = (1 - own) * 0.6, own
        rows.append(row)
    return rows


def _typical_recall(condition: Condition) -> float:
    low, high = 0.46, 0.8
    gained = {"monolingual": 1.0, "transfer": 1.0, "two-stage": 1.06, "zero-shot": 0.0}
    share = gained.get(condition.setting, 1 - float(np.exp(-(condition.shots or 0) / 12)))
    adaptation = {"corpus": 0.05, "speaker": 0.08, "coral": 0.03, "adversarial": 0.02}
    return (
        low
        + share * (high - low)
        - (0.12 if condition.setting == "target-only" else 0)
        + (0.05 if condition.adapter != "none" else 0)
        + (0.03 if condition.encoder == "whisper-base" else 0)
        + (0.04 if condition.select_on == "target" else 0)
        + 0.04 * condition.source.count(PLUS)
        + adaptation.get(condition.adaptation, 0.0)
    )


class Voices:
    """The utterances of a corpus, and the predictions for them."""

    def __init__(self, name: str, speakers: int, per_class: int, folds: int, effect: float) -> None:
        rng = np.random.default_rng(_number(name))
        voices = speakers or folds  # there are speakers even if they are unknown
        items = list(product(range(voices), range(len(CLASSES)), range(per_class)))
        who = np.array([item[0] for item in items])
        self.fold = (who if voices >= folds else np.arange(len(items))) % folds
        self.who = who
        self.truth = np.array([truth for _, truth, _ in items])
        self.speaker = [f"{name}-{item[0]:02d}" if speakers else None for item in items]
        self.utterance = [f"{name}-{item[0]:02d}-{CLASSES[item[1]]}-{item[2]}" for item in items]
        self._ease = effect * rng.normal(size=voices)[who]
        self._luck = rng.gumbel(size=(len(items), len(CLASSES)))

    def size(self, fold: int) -> int:
        """Return the number of utterances that a fold tests."""
        return int((self.fold == fold).sum())

    def answer(
        self, cell: Cell, address: str, confusion: Confusion, known: Mapping[str, Sequence[str]]
    ) -> pa.Table:
        """Return the rows of a cell; `known` is column -> values, which speakers have in turn."""
        own = self.predictions(cell.fold, address, confusion(cell.condition))
        tested = self.who[self.fold == cell.fold]
        values = {name: [each[who % len(each)] for who in tested] for name, each in known.items()}
        return cell_table(cell, address, own.table(), CLASSES, values)

    def predictions(self, fold: int, address: str, confusion: Sequence[Sequence[float]]) -> Predictions:
        """Return predictions for the utterances that a fold tests, drawn for an address."""
        rng = np.random.default_rng(_number(address))
        own = np.flatnonzero(self.fold == fold)
        truth = self.truth[own]
        utility = np.log(np.maximum(np.asarray(confusion)[truth], 1e-12))
        utility[np.arange(len(own)), truth] += self._ease[own]
        # The largest of log-probabilities plus Gumbel noise is a draw from these probabilities.
        fresh = rng.gumbel(size=utility.shape)
        utility += np.where(rng.random((len(own), 1)) < 0.7, self._luck[own], fresh)
        return Predictions.of_one_run(
            CLASSES,
            [self.utterance[index] for index in own],
            [self.speaker[index] for index in own],
            truth.tolist(),
            _softmax(utility),
        )


def _softmax(utility: NDArray[np.float64]) -> NDArray[np.float64]:
    probabilities = np.exp(utility - utility.max(axis=1, keepdims=True))
    return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True))


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
