"""Emotion diarization scores as a torchmetrics class, one state per recording."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from sercl.errors import UsageError
from sercl.metrics.functional.eder import boundaries, scores, time_confusion
from sercl.metrics.functional.timeline import Labelled

_PLACED = 4
"""Further numbers of a recording besides its time confusion, see `sercl.metrics.functional.eder.Measured`."""


class DiarizationMetrics(Metric):
    """EDER with its parts and by emotion, boundary error, and UAR and every other average over time.

    `update(reference, hypothesis, duration)` takes the segments of one recording.

    Args:
        classes: Class names, "neutral" among them.
        uncovered: "neutral" or "error", see `sercl.metrics.functional.eder.time_confusion`.
    """

    full_state_update = False
    rows: list[Tensor]

    def __init__(self, classes: Sequence[str], uncovered: str = "neutral") -> None:
        super().__init__()
        self.classes, self.uncovered = tuple(classes), uncovered
        # Flat, so that a process without recordings can join: torchmetrics lets it send `[0]` values.
        self.add_state("rows", default=[], dist_reduce_fx="cat")

    def update(self, reference: Iterable[Labelled], hypothesis: Iterable[Labelled], duration: float) -> None:
        """Add one recording.

        Args:
            reference: Reference segments.
            hypothesis: Segments to evaluate.
            duration: Length of the recording in s.
        """
        reference, hypothesis = list(reference), list(hypothesis)
        confusion = time_confusion(reference, hypothesis, duration, self.classes, self.uncovered)
        errors, events, found = boundaries(reference, hypothesis, duration)
        placed = confusion.new_tensor([sum(errors), len(errors), events, found])
        # float32, since not every device has float64; the error is below a millisecond in two hours.
        self.rows.append(torch.cat([confusion.flatten(), placed]).float().to(self.device))

    def compute(self) -> dict[str, Tensor]:
        """Return every score by name, as `functional.eder.scores` does; float32 on the CPU."""
        if not len(self.rows):  # a list, or one tensor when the states of several processes are joined
            raise UsageError("diarization scores: there is no recording to evaluate.")
        count = len(self.classes)
        # In float64, the order of recordings over processes and batches does not change a score.
        rows = dim_zero_cat(self.rows).double().cpu().reshape(-1, count * (count + 1) + _PLACED)
        confusions = rows[:, :-_PLACED].reshape(-1, count, count + 1)
        named = scores(confusions, rows[:, -_PLACED:], self.classes)
        return {name: value.float() for name, value in named.items()}

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Draw the scores by name; seconds (boundary error) and fractions on one axis.

        Args:
            val: Result of `compute`, or a list of results for curves; None for the current scores.
            ax: matplotlib axes to draw on; None for a new figure.

        Returns:
            Figure and axes.
        """
        return self._plot(val, ax)
