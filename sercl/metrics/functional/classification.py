"""Scores of a classifier, all from its confusion matrix.

A confusion matrix is `[..., classes, classes]`: rows are the truth, columns the predictions. An undefined
score of a class is NaN (recall of a class without utterances, precision of a class that was never predicted),
and averages are over the classes with a score, as each function says.

Recall, precision, F1 and sercl's averages also take `[..., classes, columns]` with more columns than classes:
the first are the classes, the others are predictions that are no class, such as the time that a diarizer has
left without a segment. They lower the recall of the true class and the precision of none, and are no term of
an average over classes. `Average.of` gives such matrices to any other score, too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from sercl.errors import UsageError
from sercl.plugins import SCORES, Registry, adopt_named


def confusion_matrix(truth: Tensor, predicted: Tensor, num_classes: int) -> Tensor:
    """Count pairs of true and predicted class.

    Args:
        truth: `[n]` class indices, 0 to num_classes - 1.
        predicted: `[n]` class indices, 0 to num_classes - 1.
        num_classes: Number of classes.

    Returns:
        `[num_classes, num_classes]` int64 counts, rows the truth.
    """
    cells = truth * num_classes + predicted
    return torch.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def recall(confusion: Tensor) -> Tensor:
    """Return the recall of each class, `[..., classes]`; NaN for an absent class."""
    return _hits(confusion) / confusion.sum(dim=-1)


def precision(confusion: Tensor) -> Tensor:
    """Return the precision of each class, `[..., classes]`; NaN for a class that was never predicted."""
    return _hits(confusion) / _predicted(confusion)


def f1(confusion: Tensor) -> Tensor:
    """Return the F1 score of each class, `[..., classes]`; NaN for a class neither present nor predicted."""
    return 2 * _hits(confusion) / (confusion.sum(dim=-1) + _predicted(confusion))


def uar(confusion: Tensor) -> Tensor:
    """Return the unweighted average recall, `[...]`: the mean recall of the classes in the truth."""
    return recall(confusion).nanmean(dim=-1)


def wa(confusion: Tensor) -> Tensor:
    """Return the weighted accuracy, `[...]`: the fraction of utterances classified correctly."""
    return _hits(confusion).sum(dim=-1) / confusion.sum(dim=(-2, -1))


def macro_f1(confusion: Tensor) -> Tensor:
    """Return the mean F1 score, `[...]`, of the classes that occur in the truth or in the predictions."""
    return f1(confusion).nanmean(dim=-1)


TAKEN = frozenset(
    {
        *("n", "per_class", "confusion", "loss", "error"),
        *("eder", "missed", "false_alarm", "eder_time", "boundary_error", "events_found", "events"),
        *("recordings", "seconds", "boundaries", "by_emotion", "time_confusion"),
        *("uncovered", "uncovered_seconds", "named", "averages"),
    }
)
"""Names of other entries beside the averages in results files and loggers: no average can have them."""


@dataclass(frozen=True)
class Average:
    """A score of a whole confusion matrix; 1 is the best.

    The matrix has numbers of utterances, or seconds (diarization): a multiple of it must have the same score.

    Attributes:
        name: Its name in files and loggers.
        title: Its name in tables.
        function: `[..., classes, classes]` -> `[...]`.
        lowest: Its lowest possible value: 0 or -1.
        in_percent: Whether tables show it in percent, or as a plain number.
        rectangular: Whether `function` itself handles further columns, of predictions that are no class.
            Without it, the function gets a square matrix in which each of them is one more class, with an
            empty row: right for accuracy, recall, Matthews' correlation and kappa, but not for a mean over
            classes of precision or F1, in which it would be a class with the score 0.
    """

    name: str
    title: str
    function: Callable[[Tensor], Tensor]
    lowest: float = 0.0
    in_percent: bool = True
    rectangular: bool = False

    def __post_init__(self) -> None:
        if self.name in TAKEN:
            raise UsageError(
                f"score {self.name!r}: results files and loggers have another entry of this name. Choose "
                "another name."
            )

    def of(self, confusion: Tensor) -> Tensor:
        """Return the score `[...]` of matrices `[..., classes, columns]`, see the module."""
        return self.function(confusion if self.rectangular else _squared(confusion))


AVERAGES: Registry[Average] = Registry(
    "score",
    SCORES,
    adopt_named(Average),
    own={
        "uar": Average("uar", "UAR", uar, rectangular=True),
        "wa": Average("wa", "WA", wa, rectangular=True),
        "macro_f1": Average("macro_f1", "Macro-F1", macro_f1, rectangular=True),
    },
)
"""All averages by name, in the order of tables; comparisons use the first."""


def register(average: Average) -> None:
    """Add a score: loggers, tables, reports, CSV and JSON show it from then on.

    Raises:
        UsageError: For a name that exists already, or what is no `Average`.
    """
    AVERAGES.register(getattr(average, "name", repr(average)), average)


def scores(confusion: Tensor, classes: Sequence[str]) -> dict[str, Tensor]:
    """Return every score by name.

    Args:
        confusion: `[classes, classes]`, rows the truth.
        classes: Class names in the order of the rows.

    Returns:
        The averages, and "recall/<class>" and "precision/<class>" for each class; all scalars, or NaN.
    """
    averages = {name: score.of(confusion) for name, score in AVERAGES.items()}
    recalls = {f"recall/{name}": score for name, score in zip(classes, recall(confusion), strict=True)}
    precisions = {
        f"precision/{name}": score for name, score in zip(classes, precision(confusion), strict=True)
    }
    return averages | recalls | precisions


def _hits(confusion: Tensor) -> Tensor:
    return confusion.diagonal(dim1=-2, dim2=-1)


def _predicted(confusion: Tensor) -> Tensor:
    return confusion[..., : confusion.shape[-2]].sum(dim=-2)


def _squared(confusion: Tensor) -> Tensor:
    """Return `[..., n, n]`: the classes, and an empty row for each further column, if any has a value."""
    classes, columns = confusion.shape[-2:]
    if not confusion[..., classes:].any():
        return confusion[..., :classes]
    return pad(confusion, (0, 0, 0, columns - classes))
