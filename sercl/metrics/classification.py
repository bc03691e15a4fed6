"""Scores of a classifier as torchmetrics classes, summed over steps and ranks."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from sercl.metrics.functional.classification import scores


class EmotionMetrics(MulticlassConfusionMatrix):
    """UAR, WA and every other average, and recall and precision of each class.

    torchmetrics' own averages count a class that is absent from the truth as recall 0; here it is left out
    (see `sercl.metrics.functional.classification`). `update(predicted, truth)` takes class scores `[batch,
    classes]` or indices `[batch]`, and truth `[batch]`.

    Args:
        classes: Class names; their index is the class index.
    """

    plot_lower_bound, plot_upper_bound = 0.0, 1.0

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__(num_classes=len(classes))
        self.classes = tuple(classes)

    def compute(self) -> dict[str, Tensor]:
        """Return every score by name, as `functional.classification.scores` does."""
        return scores(super().compute(), self.classes)

    def plot(self, val: Any = None, ax: Any = None) -> Any:  # type: ignore[override]
        """Draw the scores by name; for the confusion matrix see `sercl.reports.results`.

        Args:
            val: Result of `compute` or `forward`, or a list of results for curves; None for the current
                scores.
            ax: matplotlib axes to draw on; None for a new figure.

        Returns:
            Figure and axes.
        """
        return self._plot(val, ax)

    def confusion(self) -> Tensor:
        """Return the confusion matrix over all ranks, `[classes, classes]` int64, rows the truth."""
        with self.sync_context():
            confusion: Tensor = self.confmat.clone()
        return confusion
