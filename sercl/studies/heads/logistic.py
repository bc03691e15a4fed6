"""Logistic regressions in place of probes trained in epochs: convex, with a penalty that is chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

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
"""Largest element of the gradient of the mean loss, in scaled parameters, of a converged regression."""

ROUGH_TOLERANCE = 1e-3
"""The same where a regression is only compared with others; mean losses are then exact to about 0.001."""

CURVATURE = 0.2
"""Typical p (1 - p) of a class, for the scale of parameters."""

SMALLEST = 1e-12
"""Principal components of less than this fraction of the largest variance are rounding errors."""


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


def fit_path(
    stack: Stack, config: ProbeConfig, on_epochs: OnEpochs = lambda _: None, tolerance: float = TOLERANCE
) -> list[Fit]:
    """Fit every probe with each C, from the strongest penalty on; see `train_logistic`."""
    kind: type[_Linear | _Mixed] = _Linear if stack.probe.mix is None else _Mixed
    problem = kind.of(stack, config)
    validation = padded([stack.folds[job.fold].validation for job in stack.jobs], stack.blocks.device)
    models = torch.arange(len(stack.jobs), device=stack.blocks.device)
    fits, moved = [], torch.zeros_like(problem.scale(config.c[0]))
    for c in config.c:
        scale = problem.scale(c)
        found = minimize(partial(problem.objective, c=c), moved / scale, tolerance, config.max_epochs)
        moved = found.parameters * scale
        point = problem.parameters(moved)
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
class _Training:
    """The training utterances of a stack.

    Attributes:
        features: `[models, rows, *shape]` float64.
        labels: `[models, rows]`.
        weights: `[models, rows]` weights of utterances, 0 for padding.
    """

    features: Tensor
    labels: Tensor
    weights: Tensor

    @classmethod
    def of(cls, stack: Stack, config: ProbeConfig) -> Self:
        index, valid = padded([stack.folds[job.fold].train for job in stack.jobs], stack.blocks.device)
        labels = stack.rows.labels[index]
        features = stack.rows.gather(stack.blocks, index).double()
        return cls(features, labels, _weights(labels, valid, config.class_weights))

    @property
    def count(self) -> Tensor:
        """Number of utterances, `[models]`."""
        return (self.weights > 0).sum(dim=1)

    def mean(self, logits: Tensor, penalty: Tensor) -> Tensor:
        """Return the mean loss and penalty of each regression, `[models]`."""
        losses = F.cross_entropy(logits.flatten(0, 1), self.labels.flatten(), reduction="none")
        total: Tensor = (losses.view(self.labels.shape) * self.weights).sum(dim=1) + penalty
        return total / self.count


@dataclass(frozen=True)
class _Linear:
    """Regressions as functions of how far they are from their start, in scaled principal components.

    The penalty is the same in any rotation, components without variance never move, and of the others the
    curvature is nearly known: scaled by it, L-BFGS needs a fifth of the steps.

    Attributes:
        training: The training utterances.
        basis: `[models, dim, components]`, orthonormal principal components.
        projected: `[models, rows, components]`, the features in them.
        variances: `[models, components]`, their sums of squares.
        offset: `[models, rows, classes]`, logits at the start.
        weight: `[models, dim, classes]` initial weights.
        bias: `[models, 1, classes]` initial biases.
    """

    training: _Training
    basis: Tensor
    projected: Tensor
    variances: Tensor
    offset: Tensor
    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, stack: Stack, config: ProbeConfig) -> Self:
        training = _Training.of(stack, config)
        weight, bias = (parameter.detach().double() for parameter in stack.probe.parameters())
        basis, variances = principal_components(training.features * training.weights.sqrt()[..., None])
        offset = training.features @ weight + bias
        return cls(training, basis, training.features @ basis, variances, offset, weight, bias)

    def scale(self, c: float) -> Tensor:
        """Return the scale of each parameter, `[models, (components + 1) * classes]`."""
        count = self.training.count[:, None]
        curvature = torch.cat([CURVATURE * self.variances + 1 / c, CURVATURE * count], dim=1) / count
        return curvature.rsqrt().repeat_interleave(self.bias.shape[2], dim=1)

    def objective(self, point: Tensor, c: float) -> Tensor:
        """Return the mean loss and penalty of each regression, `[models]`, from scaled parameters."""
        weight, bias = self._split(point * self.scale(c))
        logits = torch.baddbmm(self.offset + bias, self.projected, weight)
        return self.training.mean(logits, weight.square().sum(dim=(1, 2)) / (2 * c))

    def parameters(self, moved: Tensor) -> Tensor:
        """Return the parameters of the probe, `[models, size]`, from unscaled ones."""
        weight, bias = self._split(moved)
        return torch.cat(
            [(self.weight + self.basis @ weight).flatten(1), (self.bias + bias).flatten(1)], dim=1
        )

    def _split(self, moved: Tensor) -> tuple[Tensor, Tensor]:
        shaped = moved.view(len(moved), -1, self.bias.shape[2])
        return shaped[:, :-1], shaped[:, -1:]


def principal_components(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return an orthonormal basis of the rows of some matrices.

    Args:
        rows: `[models, rows, dim]` float64.

    Returns:
        The basis `[models, dim, components]`, as many components as rows or dimensions, whichever are fewer,
        and the sum of squares along each, `[models, components]`; both are 0 for components without variance.
    """
    wide = rows.shape[1] < rows.shape[2]
    variances, vectors = torch.linalg.eigh(rows @ rows.mT if wide else rows.mT @ rows)
    present = variances > SMALLEST * variances[:, -1:]
    variances = variances * present
    basis = rows.mT @ (vectors / variances.sqrt()[:, None]) if wide else vectors
    return torch.where(present[:, None], basis, 0.0), variances


@dataclass(frozen=True)
class _Mixed:
    """Regressions on a weighted sum of hidden states, as functions of how far they are from their start.

    Attributes:
        training: The training utterances.
        probe: The shapes of the parameters.
        start: `[models, size]` float64 initial parameters.
        penalised: `[size]` bool, which of them are penalised.
    """

    training: _Training
    probe: StackedProbe
    start: Tensor
    penalised: Tensor

    @classmethod
    def of(cls, stack: Stack, config: ProbeConfig) -> Self:
        named = dict(stack.probe.named_parameters())
        return cls(
            training=_Training.of(stack, config),
            probe=stack.probe,
            start=torch.cat([own.detach().double().flatten(1) for own in named.values()], dim=1),
            penalised=torch.cat(
                [torch.full((own[0].numel(),), not name.endswith("bias")) for name, own in named.items()]
            ).to(stack.blocks.device),
        )

    def scale(self, c: float) -> Tensor:
        """Return the scale of each parameter, `[models, size]`: 1."""
        return torch.ones_like(self.start)

    def objective(self, point: Tensor, c: float) -> Tensor:
        """Return the mean loss and penalty of each regression, `[models]`."""
        values = _unpacked(self.probe, self.start + point)
        logits = functional_call(self.probe, values, (self.training.features,))
        return self.training.mean(logits, (point * self.penalised).square().sum(dim=1) / (2 * c))

    def parameters(self, moved: Tensor) -> Tensor:
        """Return the parameters of the probe, `[models, size]`."""
        return self.start + moved


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
