"""Emotion diarization scores as a torchmetrics class, one state per recording."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from sercl.errors import UsageError
from sercl.metrics.functional.eder import boundaries, scores, time_confusion
from sercl.metrics.functional.timeline import Labelled


class DiarizationMetrics(Metric):
    """EDER with its parts, EDER by emotion, recall over time and boundary error.

    `update(reference, hypothesis, duration)` takes the segments of one recording.

    Args:
        classes: Class names, "neutral" among them.
        uncovered: "neutral" or "error", see `sercl.metrics.functional.eder.time_confusion`.
    """

    full_state_update = False
    confusions: list[Tensor]
    placed: list[Tensor]

    def __init__(self, classes: Sequence[str], uncovered: str = "neutral") -> None:
        super().__init__()
        self.classes, self.uncovered = tuple(classes), uncovered
        self.add_state("confusions", default=[], dist_reduce_fx="cat")
        self.add_state("placed", default=[], dist_reduce_fx="cat")

    def update(self, reference: Iterable[Labelled], hypothesis: Iterable[Labelled], duration: float) -> None:
        """Take in one recording.

        Args:
            reference: True segments.
            hypothesis: Segments to be judged.
            duration: Length of the recording in s.
        """
        reference, hypothesis = list(reference), list(hypothesis)
        confusion = time_confusion(reference, hypothesis, duration, self.classes, self.uncovered)
        errors, events, found = boundaries(reference, hypothesis, duration)
        row = [sum(errors), len(errors), events, found]
        # float32, since not every device has float64; it costs less than a millisecond in two hours.
        self.confusions.append(confusion[None].float().to(self.device))
        self.placed.append(torch.tensor([row], dtype=torch.float32, device=self.device))

    def compute(self) -> dict[str, Tensor]:
        """Return every score by name, as `functional.eder.scores` does."""
        if not self.confusions:
            raise UsageError("diarization scores: there is no recording to judge.")
        return scores(dim_zero_cat(self.confusions), dim_zero_cat(self.placed), self.classes)
