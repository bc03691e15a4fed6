"""The scores of each condition of a study, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from sercl.metrics.functional.bootstrap import pooled
from sercl.metrics.functional.calibration import expected_calibration_error
from sercl.metrics.functional.classification import uar
from sercl.studies.cross_eval.cells import Condition
from sercl.studies.results.predictions import Answers, Run, confusions
from sercl.studies.results.scores import Score, score_confusions


@dataclass(frozen=True)
class ConditionScores:
    """What one condition reached: test utterances of all folds pooled, repeats averaged.

    Attributes:
        condition: What was tested.
        utterances: Different utterances that were tested.
        speakers: Their speakers, None where one is unknown.
        folds: Indices of the folds.
        runs: Repeats that are averaged, as (draw, seed).
        uar: Unweighted average recall.
        wa: Weighted accuracy.
        macro_f1: Mean F1 of the classes.
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
    uar: Score
    wa: Score
    macro_f1: Score
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


def score_conditions(
    answers: Mapping[Condition, Answers], classes: Sequence[str]
) -> dict[Condition, ConditionScores]:
    """Score every condition.

    Args:
        answers: What `read_answers` gave, complete repeats only.
        classes: Class names in class order.
    """
    return {condition: score_condition(condition, item, classes) for condition, item in answers.items()}


def score_condition(condition: Condition, answers: Answers, classes: Sequence[str]) -> ConditionScores:
    """Score one condition; see `ConditionScores`."""
    counts = confusions(answers, len(classes))
    scores = score_confusions(counts, classes, answers.unit_name)
    mean = counts.sum(axis=0).mean(axis=0)
    speakers = set(answers.speaker)
    cells, one_class = _one_class(answers)
    predicted = np.unique(answers.predicted)
    return ConditionScores(
        condition=condition,
        utterances=len(set(answers.utterance)),
        speakers=None if None in speakers else len(speakers),
        folds=tuple(np.unique(answers.fold).tolist()),
        runs=answers.runs,
        uar=scores["uar"],
        wa=scores["wa"],
        macro_f1=scores["macro_f1"],
        recalls=tuple(scores[f"recall/{name}"] for name in classes),
        confusion=tuple(tuple(row) for row in mean.tolist()),
        support=tuple(np.rint(mean.sum(axis=1)).astype(int).tolist()),
        ece=_ece(answers),
        run_uar=tuple(uar(pooled(counts)).tolist()),
        fold_wa=_fold_accuracies(answers),
        cells=cells,
        one_class=one_class,
        only_class=classes[predicted[0]] if one_class == cells and len(predicted) == 1 else None,
    )


def predicts_one_class(truth: Sequence[int], predicted: Sequence[int]) -> bool:
    """Return whether utterances of several classes are all predicted to be of one.

    Args:
        truth: `[n]` class indices.
        predicted: `[n]` class indices.
    """
    return len(set(truth)) > 1 and len(set(predicted)) == 1


def _one_class(answers: Answers) -> tuple[int, int]:
    """Return the number of cells, and of those that predict one class only."""
    frame = pd.DataFrame({name: getattr(answers, name) for name in ("run", "fold", "truth", "predicted")})
    cells = [
        predicts_one_class(own["truth"].tolist(), own["predicted"].tolist())
        for _, own in frame.groupby(["run", "fold"])
    ]
    return len(cells), sum(cells)


def _ece(answers: Answers) -> float:
    errors = []
    for index in range(len(answers.runs)):
        own = answers.run == index
        shares, truth = torch.from_numpy(answers.probabilities[own]), torch.from_numpy(answers.truth[own])
        errors.append(float(expected_calibration_error(shares, truth)))
    return float(np.mean(errors))


def _fold_accuracies(answers: Answers) -> tuple[float, ...]:
    """Return the accuracy of each fold; a repeat counts as much as it has utterances there."""
    right = answers.truth == answers.predicted
    return tuple(float(right[answers.fold == fold].mean()) for fold in np.unique(answers.fold))
