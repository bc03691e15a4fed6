"""Validation scores of every candidate layer, from which the best is chosen."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from sercl.metrics.classification import EmotionMetrics
from sercl.metrics.functional.classification import scores


class CandidateScores(nn.Module):
    """Loss and metrics of each head over a validation pass.

    Args:
        heads: Number of candidates.
        classes: Class names in class order.
    """

    loss: Tensor
    weight: Tensor

    def __init__(self, heads: int, classes: Sequence[str]) -> None:
        super().__init__()
        self.metrics = nn.ModuleList(EmotionMetrics(classes) for _ in range(heads))
        self.register_buffer("loss", torch.zeros(heads), persistent=False)
        self.register_buffer("weight", torch.zeros(()), persistent=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scores, as in `sercl.metrics.functional.classification.scores`."""
        metrics = cast(EmotionMetrics, self.metrics[0])
        return tuple(scores(torch.zeros_like(metrics.confmat), metrics.classes))

    def reset(self) -> None:
        """Forget everything."""
        self.loss.zero_()
        self.weight.zero_()
        for metrics in self.metrics:
            cast(EmotionMetrics, metrics).reset()

    def update(self, logits: Tensor, losses: Tensor, labels: Tensor, weight: Tensor | int) -> None:
        """Add a batch.

        Args:
            logits: `[batch, heads, classes]`.
            losses: `[heads]`, means over the batch.
            labels: `[batch]` class indices.
            weight: What the means weigh, see `sercl.tasks.losses.mean_weight`.
        """
        self.loss += losses * weight
        self.weight += weight
        for i, metrics in enumerate(self.metrics):
            cast(EmotionMetrics, metrics).update(logits[:, i].argmax(dim=-1), labels)

    def best(self, add_up: Callable[[Tensor], Tensor]) -> tuple[int, Tensor, dict[str, Tensor]]:
        """Return the head with the lowest mean loss, that loss, and its scores.

        Args:
            add_up: Sums a tensor over all processes.
        """
        totals = add_up(torch.cat([self.loss, self.weight[None]]))
        losses = totals[:-1] / totals[-1]
        best = int(losses.argmin())
        return best, losses[best], cast(EmotionMetrics, self.metrics[best]).compute()
