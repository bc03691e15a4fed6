"""When each probe of a stack stops, and which of its epochs is kept."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from sercl.models.stacked import StackedProbe
from sercl.studies.probing.config import ProbeConfig


@dataclass(frozen=True)
class Validation:
    """Validation scores of some probes, each `[models]` float64.

    Attributes:
        loss: Mean cross-entropy.
        accuracy: Share of utterances told right.
        uar: Unweighted average recall of the classes present.
    """

    loss: Tensor
    accuracy: Tensor
    uar: Tensor

    def criterion(self, select: str) -> Tensor:
        """Return what decides between epochs, the higher the better; NaN is worse than anything."""
        score: Tensor = -self.loss if select == "loss" else getattr(self, select)
        return score.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)


@dataclass
class Stopping:
    """How training has gone so far, for each probe of a stack.

    Attributes:
        config: Patience, and what is selected by.
        epochs: `[models]` int64 epochs run.
        best_epoch: `[models]` int64, from 0.
        best: Validation scores of the best epoch.
        exhausted: `[models]` bool, whether patience has run out; false where the epoch limit ended training.
        lowest: `[models]` lowest validation loss.
        waited: `[models]` int64 epochs since then.
        weights: The weights of each probe's best epoch, as `StackedProbe.parameters`.
    """

    config: ProbeConfig
    epochs: Tensor
    best_epoch: Tensor
    best: Validation
    exhausted: Tensor
    lowest: Tensor
    waited: Tensor
    weights: list[Tensor]

    @classmethod
    def start(cls, probe: StackedProbe, config: ProbeConfig, device: torch.device) -> Self:
        """Return the record of probes that have not been trained yet."""
        weights = [parameter.detach().clone() for parameter in probe.parameters()]
        models = len(weights[0])
        counts = torch.zeros(3, models, dtype=torch.int64, device=device)
        scores = torch.full((4, models), torch.nan, dtype=torch.float64, device=device)
        return cls(
            config=config,
            epochs=counts[0],
            best_epoch=counts[1],
            best=Validation(*scores[:3]),
            exhausted=torch.zeros(models, dtype=torch.bool, device=device),
            lowest=scores[3].fill_(torch.inf),
            waited=counts[2],
            weights=weights,
        )

    def note(self, judged: Validation, probe: StackedProbe, models: Tensor, epoch: int) -> Tensor:
        """Take in an epoch.

        Args:
            judged: Scores of the probes that were trained in it.
            probe: Their weights.
            models: `[alive]` their positions in the stack.
            epoch: Number of the epoch, from 0.

        Returns:
            `[alive]` bool, which of them go on.
        """
        self.epochs[models] = epoch + 1
        select = self.config.select
        better = judged.criterion(select) > self.best.criterion(select)[models]
        self._keep_best(judged, probe, models, better | (epoch == 0), epoch)
        lower = judged.loss < self.lowest[models]
        self.lowest[models] = torch.where(lower, judged.loss, self.lowest[models])
        self.waited[models] = torch.where(lower, 0, self.waited[models] + 1)
        self.exhausted[models] = self.waited[models] >= self.config.patience
        return ~self.exhausted[models]

    def restore(self, probe: StackedProbe) -> None:
        """Give all probes of the stack the weights of their best epochs."""
        probe.put(self.weights)

    def _keep_best(
        self, judged: Validation, probe: StackedProbe, models: Tensor, better: Tensor, epoch: int
    ) -> None:
        places = models[better]
        self.best_epoch[places] = epoch
        for name in ("loss", "accuracy", "uar"):
            getattr(self.best, name)[places] = getattr(judged, name)[better]
        for best, parameter in zip(self.weights, probe.parameters(), strict=True):
            best[places] = parameter.detach()[better]
