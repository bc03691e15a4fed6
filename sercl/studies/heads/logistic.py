"""Logistic regressions in place of probes trained in epochs: convex, with a penalty that is chosen."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from sercl.models.stacked import StackedProbe
from sercl.studies.heads.config import ProbeConfig
from sercl.studies.heads.jobs import padded
from sercl.studies.heads.lbfgs import minimize
from sercl.studies.heads.training import OnEpochs, Record, Stack, Validation, validate

TOLERANCE = 1e-5
"""Largest element of the gradient of the mean loss at which a regression has converged."""


def train_logistic(stack: Stack, config: ProbeConfig, on_epochs: OnEpochs = lambda _: None) -> Record:
    """Fit every probe with each C, from the strongest penalty on, and keep the best on validation.

    A step of L-BFGS takes all training utterances, and counts as an epoch. The penalty is on the distance
    from the initial weights, for a weighted sum also of the layer scores; biases have none.

    Returns:
        The training record of each probe; `stack.probe` then has the weights of the chosen C.
    """
    problem = _Problem.of(stack, config)
    validation = padded([stack.folds[job.fold].validation for job in stack.jobs], stack.blocks.device)
    models = torch.arange(len(stack.jobs), device=stack.blocks.device)
    record, point, kept = _empty(models), problem.start, problem.start.clone()
    for number, c in enumerate(config.c):
        found = minimize(partial(problem.objective, c=c), point, TOLERANCE, config.max_epochs)
        point = found.parameters
        stack.probe.put(problem.unpacked(point.float()).values())
        scores = validate(stack, models, *validation)
        better = (scores.criterion(config.select) > record.best.criterion(config.select)) | (number == 0)
        _note(record, scores, better, found.converged, found.steps, c)
        kept = torch.where(better[:, None], point, kept)
        on_epochs(len(models))
    stack.probe.put(problem.unpacked(kept.float()).values())
    record.best_epoch = record.epochs - 1
    return record


def _empty(models: Tensor) -> Record:
    nothing = torch.full((4, len(models)), torch.nan, dtype=torch.float64, device=models.device)
    return Record(
        epochs=torch.zeros_like(models),
        best_epoch=torch.zeros_like(models),
        best=Validation(*nothing[:3].clone()),
        exhausted=torch.ones_like(models, dtype=torch.bool),
        c=nothing[3],
    )


def _note(
    record: Record, scores: Validation, better: Tensor, converged: Tensor, steps: int, c: float
) -> None:
    assert record.c is not None
    record.epochs[better] = max(1, steps)
    record.exhausted[better] = converged[better]
    record.c[better] = c
    for name in ("loss", "accuracy", "uar"):
        getattr(record.best, name)[better] = getattr(scores, name)[better]


@dataclass(frozen=True)
class _Problem:
    """The regressions of a stack as functions of one vector each.

    Attributes:
        probe: Their shapes.
        features: `[models, rows, *shape]` float64.
        labels: `[models, rows]`.
        weights: `[models, rows]` weights of utterances, 0 for padding.
        start: `[models, size]` float64 initial parameters.
        penalised: `[size]` bool, which of them are penalised.
    """

    probe: StackedProbe
    features: Tensor
    labels: Tensor
    weights: Tensor
    start: Tensor
    penalised: Tensor

    @classmethod
    def of(cls, stack: Stack, config: ProbeConfig) -> "_Problem":
        index, valid = padded([stack.folds[job.fold].train for job in stack.jobs], stack.blocks.device)
        labels = stack.rows.labels[index]
        named = dict(stack.probe.named_parameters())
        return cls(
            probe=stack.probe,
            features=stack.rows.gather(stack.blocks, index).double(),
            labels=labels,
            weights=_weights(labels, valid, config.class_weights),
            start=torch.cat([own.detach().double().flatten(1) for own in named.values()], dim=1),
            penalised=torch.cat(
                [torch.full((own[0].numel(),), not name.endswith("bias")) for name, own in named.items()]
            ).to(index.device),
        )

    def objective(self, point: Tensor, c: float) -> Tensor:
        """Return the mean loss and penalty of each regression, `[models]`."""
        logits = functional_call(self.probe, self.unpacked(point), (self.features,))
        losses = F.cross_entropy(logits.flatten(0, 1), self.labels.flatten(), reduction="none")
        loss = (losses.view(self.labels.shape) * self.weights).sum(dim=1)
        penalty = ((point - self.start) * self.penalised).square().sum(dim=1) / (2 * c)
        total: Tensor = (loss + penalty) / (self.weights > 0).sum(dim=1)
        return total

    def unpacked(self, point: Tensor) -> dict[str, Tensor]:
        """Return the parameters of the probe by name."""
        named = dict(self.probe.named_parameters())
        pieces = torch.split(point, [own[0].numel() for own in named.values()], dim=1)
        return {
            name: piece.view(len(point), *own.shape[1:])
            for (name, own), piece in zip(named.items(), pieces, strict=True)
        }


def _weights(labels: Tensor, valid: Tensor, class_weights: str) -> Tensor:
    weights = valid.double()
    if class_weights == "none":
        return weights
    members = F.one_hot(labels).double() * weights[..., None]
    counts = members.sum(dim=1, keepdim=True)
    present = (counts > 0).sum(dim=-1, keepdim=True)
    shares = weights.sum(dim=1)[:, None, None] / (present * counts)
    return (members * shares.nan_to_num(posinf=0.0)).sum(dim=-1)
