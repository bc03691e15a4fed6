"""The scores of each condition of a study, with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from sercl.metrics.functional.bootstrap import summed
from sercl.metrics.functional.calibration import expected_calibration_error
from sercl.metrics.functional.classification import AVERAGES, uar
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.results.predictions import Predictions, Run
from sercl.studies.results.scores import Score, score_confusions


@dataclass(frozen=True)
class ConditionScores:
    """Scores of one condition: test utterances of all folds pooled, repeats averaged.

    Attributes:
        condition: What was tested.
        utterances: Different utterances that were tested.
        speakers: Their speakers, None where one is unknown.
        folds: Indices of the folds.
        runs: Repeats that are averaged, as (draw, seed).
        averages: Every average by name, see `sercl.metrics.functional.classification.AVERAGES`.
        recalls: Recall of each class, in class order.
        confusion: `[classes][classes]` counts, rows the truth; the mean over repeats.
        support: Test utterances of each class, of all folds.
        ece: Expected calibration error, the mean over repeats.
        run_uar: UAR of each repeat.
        fold_wa: Weighted accuracy of each fold, the mean over repeats.
        cells: Number of cells: folds of all repeats.
        one_class: Those of them that predict the same class for every test utterance.
        only_class: That class, where it is the same in all cells; else None.
    """

    condition: Condition
    utterances: int
    speakers: int | None
    folds: tuple[int, ...]
    runs: tuple[Run, ...]
    averages: Mapping[str, Score]
    recalls: tuple[Score, ...]
    confusion: tuple[tuple[float, ...], ...]
    support: tuple[int, ...]
    ece: float
    run_uar: tuple[float, ...]
    fold_wa: tuple[float, ...]
    cells: int
    one_class: int
    only_class: str | None

    @property
    def is_guess(self) -> bool:
        """Whether every cell predicts one class only, so that UAR is that of guessing."""
        return 0 < self.cells == self.one_class

    @property
    def uar(self) -> Score:
        """Unweighted average recall."""
        return self.averages["uar"]

    @property
    def wa(self) -> Score:
        """Weighted accuracy."""
        return self.averages["wa"]


def score_conditions(predictions: Mapping[Condition, Predictions]) -> dict[Condition, ConditionScores]:
    """Score every condition.

    Args:
        predictions: From `read_predictions`, complete repeats only.
    """
    return {condition: score_condition(condition, item) for condition, item in predictions.items()}


def score_condition(condition: Condition, predictions: Predictions) -> ConditionScores:
    """Score one condition; see `ConditionScores`."""
    classes, counts = predictions.classes, predictions.confusions()
    scores = score_confusions(counts, classes, predictions.unit_name)
    mean = counts.sum(axis=0).mean(axis=0)
    speakers = set(predictions.speaker)
    cells, one_class = _one_class(predictions)
    predicted = np.unique(predictions.predicted)
    return ConditionScores(
        condition=condition,
        utterances=len(set(predictions.utterance)),
        speakers=None if None in speakers else len(speakers),
        folds=tuple(np.unique(predictions.fold).tolist()),
        runs=predictions.runs,
        averages={name: scores[name] for name in AVERAGES},
        recalls=tuple(scores[f"recall/{name}"] for name in classes),
        confusion=tuple(tuple(row) for row in mean.tolist()),
        support=tuple(np.rint(mean.sum(axis=1)).astype(int).tolist()),
        ece=_ece(predictions),
        run_uar=tuple(uar(summed(counts)).tolist()),
        fold_wa=_fold_accuracies(predictions),
        cells=cells,
        one_class=one_class,
        only_class=classes[predicted[0]] if one_class == cells and len(predicted) == 1 else None,
    )


def _one_class(predictions: Predictions) -> tuple[int, int]:
    """Return the number of cells, and of those that predict one class only."""
    cell = predictions.run * (predictions.fold.max() + 1) + predictions.fold
    cells, index = np.unique(cell, return_inverse=True)
    truths, votes = np.zeros((2, len(cells), len(predictions.classes)), dtype=bool)
    truths[index, predictions.truth] = votes[index, predictions.predicted] = True
    one_class = (truths.sum(axis=1) > 1) & (votes.sum(axis=1) == 1)
    return len(cells), int(one_class.sum())


def _ece(predictions: Predictions) -> float:
    errors = []
    for index in range(len(predictions.runs)):
        own = predictions.run == index
        probabilities, truth = (
            torch.from_numpy(predictions.probabilities[own]),
            torch.from_numpy(predictions.truth[own]),
        )
        errors.append(float(expected_calibration_error(probabilities, truth)))
    return float(np.mean(errors))


def _fold_accuracies(predictions: Predictions) -> tuple[float, ...]:
    """Return the accuracy of each fold; a repeat counts as much as it has utterances there."""
    right = predictions.truth == predictions.predicted
    return tuple(float(right[predictions.fold == fold].mean()) for fold in np.unique(predictions.fold))
