"""Logistic regressions in place of probes trained in epochs: convex, with a penalty that is chosen."""

from collections.abc import Sequence
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
from sercl.studies.heads.training import OnEpochs, Record, Stack, Tally, Validation, tally

TOLERANCE = 1e-5
"""Largest element of the gradient of the mean loss at which a regression has converged."""


@dataclass(frozen=True)
class Fit:
    """The regressions of a stack with one C.

    Attributes:
        c: The C.
        parameters: `[models, size]` float64.
        converged: `[models]` bool.
        steps: Steps of L-BFGS of the slowest regression, at least 1.
        validation: What they do on their validation parts.
    """

    c: float
    parameters: Tensor
    converged: Tensor
    steps: int
    validation: Tally


def train_logistic(
    stack: Stack,
    config: ProbeConfig,
    on_epochs: OnEpochs = lambda _: None,
    held_out: Tally | None = None,
) -> Record:
    """Fit every probe with each C, and keep the one that is best on validation.

    A step of L-BFGS takes all training utterances, and counts as an epoch. The penalty is on the distance
    from the initial weights, for a weighted sum also of the layer scores; biases have none.

    Args:
        stack: The probes.
        config: Their configuration.
        on_epochs: Called with the number of regressions done.
        held_out: `[cs, models]`, what regressions with each C did on training utterances that were held out
            from them; counts as if these utterances were in the validation part.

    Returns:
        The training record of each probe; `stack.probe` then has the weights of the chosen C.
    """
    fits = fit_path(stack, config, on_epochs)
    total = validations(fits)
    record, kept = _chosen(fits, (total if held_out is None else total + held_out).scores, config.select)
    stack.probe.put(_unpacked(stack.probe, kept.float()).values())
    return record


def validations(fits: Sequence[Fit]) -> Tally:
    """Return what all fits did on their validation parts, `[cs, models]`."""
    own = [fit.validation for fit in fits]
    return Tally(torch.stack([one.losses for one in own]), torch.stack([one.confusion for one in own]))


def fit_path(stack: Stack, config: ProbeConfig, on_epochs: OnEpochs = lambda _: None) -> list[Fit]:
    """Fit every probe with each C, from the strongest penalty on; see `train_logistic`."""
    problem = _Problem.of(stack, config)
    validation = padded([stack.folds[job.fold].validation for job in stack.jobs], stack.blocks.device)
    models = torch.arange(len(stack.jobs), device=stack.blocks.device)
    fits, point = [], problem.start
    for c in config.c:
        found = minimize(partial(problem.objective, c=c), point, TOLERANCE, config.max_epochs)
        point = found.parameters
        stack.probe.put(_unpacked(stack.probe, point.float()).values())
        counts = tally(stack, models, *validation)
        fits.append(Fit(c, point, found.converged, max(1, found.steps), counts))
        on_epochs(len(models))
    return fits


def _chosen(fits: Sequence[Fit], scores: Validation, select: str) -> tuple[Record, Tensor]:
    """Return record and weights of each probe's best fit, of equals that with the smallest C."""
    criterion = scores.criterion(select)
    number = (criterion == criterion.amax(dim=0)).int().argmax(dim=0)
    models = torch.arange(len(number), device=number.device)

    def pick(values: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(values))[number, models]

    epochs = torch.tensor([fit.steps for fit in fits], device=number.device)[number]
    record = Record(
        epochs=epochs,
        best_epoch=epochs - 1,
        best=Validation(
            scores.loss[number, models], scores.accuracy[number, models], scores.uar[number, models]
        ),
        exhausted=pick([fit.converged for fit in fits]),
        c=torch.tensor([fit.c for fit in fits], dtype=torch.float64, device=number.device)[number],
    )
    return record, pick([fit.parameters for fit in fits])


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
        logits = functional_call(self.probe, _unpacked(self.probe, point), (self.features,))
        losses = F.cross_entropy(logits.flatten(0, 1), self.labels.flatten(), reduction="none")
        loss = (losses.view(self.labels.shape) * self.weights).sum(dim=1)
        penalty = ((point - self.start) * self.penalised).square().sum(dim=1) / (2 * c)
        total: Tensor = (loss + penalty) / (self.weights > 0).sum(dim=1)
        return total


def _unpacked(probe: StackedProbe, point: Tensor) -> dict[str, Tensor]:
    """Return parameters `[models, size]` by their names in the probe."""
    named = dict(probe.named_parameters())
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
