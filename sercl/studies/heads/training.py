"""Train a stack of heads at once, each with its own early stopping, and what is known of each afterwards."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.adamw import adamw

from sercl.metrics.functional.classification import uar, wa
from sercl.models.stacked import StackedProbe
from sercl.studies.heads.config import ProbeConfig
from sercl.studies.heads.jobs import Job, epoch_batches, padded
from sercl.studies.heads.parts import Parts, Rows


@dataclass(frozen=True)
class Validation:
    """Validation scores of some probes, each `[..., models]` float64.

    Attributes:
        loss: Mean cross-entropy.
        accuracy: Fraction of utterances classified correctly.
        uar: Unweighted average recall of the classes present.
    """

    loss: Tensor
    accuracy: Tensor
    uar: Tensor

    def criterion(self, select: str) -> Tensor:
        """Return the selection score of epochs, the higher the better; NaN is the lowest."""
        score: Tensor = -self.loss if select == "loss" else getattr(self, select)
        return score.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)


@dataclass(frozen=True)
class Tally:
    """Sums over utterances from which scores are made; those of different utterances can be added.

    Attributes:
        losses: `[..., models]` float64 sums of cross-entropies.
        confusion: `[..., models, classes, classes]` int64 confusion matrices, rows are the truth.
    """

    losses: Tensor
    confusion: Tensor

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.losses + other.losses, self.confusion + other.confusion)

    @property
    def scores(self) -> Validation:
        """The scores on all utterances together."""
        loss = self.losses / self.confusion.sum(dim=(-2, -1))
        return Validation(loss, wa(self.confusion).double(), uar(self.confusion).double())


@dataclass(kw_only=True)
class Record:
    """Training record of each probe of a stack.

    Attributes:
        epochs: `[models]` int64 epochs run.
        best_epoch: `[models]` int64, from 0.
        best: Validation scores of the best epoch.
        exhausted: `[models]` bool, whether patience has run out, or a logistic regression has converged;
            false if training ended at the epoch limit.
        c: `[models]` the chosen C of logistic regressions.
    """

    epochs: Tensor
    best_epoch: Tensor
    best: Validation
    exhausted: Tensor
    c: Tensor | None = None


@dataclass(kw_only=True)
class Stopping(Record):
    """Training record of each probe of a stack that is trained with AdamW.

    Attributes:
        config: Patience and selection score.
        lowest: `[models]` lowest validation loss.
        waited: `[models]` int64 epochs since then.
        weights: The weights of each probe's best epoch, as `StackedProbe.parameters`.
    """

    config: ProbeConfig
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

    def note(self, scores: Validation, probe: StackedProbe, models: Tensor, epoch: int) -> Tensor:
        """Record an epoch.

        Args:
            scores: Scores of the probes that were trained in it.
            probe: Their weights.
            models: `[alive]` their indices in the stack.
            epoch: Number of the epoch, from 0.

        Returns:
            `[alive]` bool, which of them continue.
        """
        self.epochs[models] = epoch + 1
        select = self.config.select
        better = scores.criterion(select) > self.best.criterion(select)[models]
        self._keep_best(scores, probe, models, better | (epoch == 0), epoch)
        lower = scores.loss < self.lowest[models]
        self.lowest[models] = torch.where(lower, scores.loss, self.lowest[models])
        self.waited[models] = torch.where(lower, 0, self.waited[models] + 1)
        self.exhausted[models] = self.waited[models] >= self.config.patience
        return ~self.exhausted[models]

    def restore(self, probe: StackedProbe) -> None:
        """Restore the weights of each probe's best epoch."""
        probe.put(self.weights)

    def _keep_best(
        self, scores: Validation, probe: StackedProbe, models: Tensor, better: Tensor, epoch: int
    ) -> None:
        indices = models[better]
        self.best_epoch[indices] = epoch
        for name in ("loss", "accuracy", "uar"):
            getattr(self.best, name)[indices] = getattr(scores, name)[better]
        for best, parameter in zip(self.weights, probe.parameters(), strict=True):
            best[indices] = parameter.detach()[better]


BETAS = (0.9, 0.999)
"""Decay rates of AdamW's moments: torch's defaults."""

OnEpochs = Callable[[int], None]
"""Called with the number of probe epochs done: run, or not needed since the probe has stopped."""


@dataclass(frozen=True)
class Stack:
    """Probes that are trained together, and their features.

    Attributes:
        jobs: One per probe.
        probe: Their weights.
        rows: Their features.
        blocks: `[models]` int64, the block of `rows` that each uses.
        folds: The folds of the study.
    """

    jobs: Sequence[Job]
    probe: StackedProbe
    rows: Rows
    blocks: Tensor
    folds: Sequence[Parts]


def train_stack(stack: Stack, config: ProbeConfig, on_epochs: OnEpochs = lambda _: None) -> Stopping:
    """Train every probe until it stops; `stack.probe` then has the weights of each one's best epoch.

    Returns:
        The training record of each probe.
    """
    device = stack.blocks.device
    record = Stopping.start(stack.probe, config, device)
    validation = padded([stack.folds[job.fold].validation for job in stack.jobs], device)
    learner = _Learner(stack.probe, config)
    alive = torch.arange(len(stack.jobs), device=device)
    for epoch in range(config.max_epochs):
        _run_epoch(stack, learner, alive, epoch)
        scores = tally(stack, alive, *(table[alive] for table in validation)).scores
        going = record.note(scores, stack.probe, alive, epoch)
        on_epochs(len(alive) + int((~going).sum()) * (config.max_epochs - epoch - 1))
        if not going.all():
            alive = alive[going]
            if not len(alive):
                break
            learner.keep(going.nonzero().flatten())
    record.restore(stack.probe)
    return record


@torch.inference_mode()
def logits_of(stack: Stack, models: Tensor, index: Tensor) -> Tensor:
    """Score utterances.

    Args:
        stack: The probes; `stack.probe` holds those of `models` only.
        models: `[models]` indices in `stack.jobs`.
        index: `[models, rows]` utterances.

    Returns:
        `[models, rows, classes]`.
    """
    pieces = torch.split(index, stack.rows.chunk(len(models)), dim=1)
    return torch.cat([stack.probe(stack.rows.gather(stack.blocks[models], piece)) for piece in pieces], dim=1)


def tally(stack: Stack, models: Tensor, index: Tensor, valid: Tensor) -> Tally:
    """Evaluate probes on utterances of their own.

    Args:
        stack: As for `logits_of`.
        models: As for `logits_of`.
        index: As for `logits_of`.
        valid: `[models, rows]` bool, which of `index` count.
    """
    logits, truth = logits_of(stack, models, index), stack.rows.labels[index]
    losses = F.cross_entropy(logits.flatten(0, 1), truth.flatten(), reduction="none").view(index.shape)
    # Double precision: a mean over many utterances must not depend on the padding of a table.
    confusion = _confusions(truth, logits.argmax(dim=-1), valid, logits.shape[-1])
    return Tally((losses.double() * valid).sum(dim=1), confusion)


def _confusions(truth: Tensor, predicted: Tensor, valid: Tensor, classes: int) -> Tensor:
    models = torch.arange(len(truth), device=truth.device).unsqueeze(1)
    cells = ((models * classes + truth) * classes + predicted)[valid]
    return torch.bincount(cells, minlength=len(truth) * classes**2).view(-1, classes, classes)


def _run_epoch(stack: Stack, learner: "_Learner", alive: Tensor, epoch: int) -> None:
    jobs = [stack.jobs[position] for position in alive.tolist()]
    batches = epoch_batches(jobs, stack.folds, learner.config.batch_size, epoch, alive.device)
    truth, blocks = stack.rows.labels[batches.index], stack.blocks[alive]
    for step, width in enumerate(batches.widths):
        features = stack.rows.gather(blocks, batches.index[step, :, :width])
        learner.step(features, truth[step, :, :width], batches.weights[step, :, :width])


class _Learner:
    """AdamW over stacked weights that can be dropped during training.

    torch's optimiser object cannot do that, and imports the compiler at its first use, which takes seconds.
    """

    def __init__(self, probe: StackedProbe, config: ProbeConfig) -> None:
        self.probe, self.config = probe, config
        self.groups = [_Moments(probe.head, config.lr)]
        if probe.mix is not None:
            self.groups.append(_Moments(probe.mix, config.mix_lr))

    def step(self, features: Tensor, truth: Tensor, weights: Tensor) -> None:
        """Take one step; `truth` and `weights` are `[models, batch]`, the weights of a model sum to 1."""
        logits = self.probe(features)
        losses = F.cross_entropy(logits.flatten(0, 1), truth.flatten(), reduction="none")
        # The sum over models: each model's weights affect only its own loss.
        loss = (losses * weights.flatten()).sum()
        gradients = list(torch.autograd.grad(loss, [p for group in self.groups for p in group.parameters]))
        for group in self.groups:
            group.step(gradients[: len(group.parameters)], self.config)
            del gradients[: len(group.parameters)]

    def keep(self, models: Tensor) -> None:
        """Drop every probe but those at the indices `models`."""
        self.probe.keep(models)
        for group in self.groups:
            group.keep(models)


class _Moments:
    """AdamW's state of a module's parameters, whose first dimension is the probes."""

    def __init__(self, module: nn.Module, rate: float) -> None:
        self.module, self.rate = module, rate
        self.parameters: list[Tensor] = list(module.parameters())
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.counts = [torch.zeros((), device=p.device) for p in self.parameters]

    @torch.no_grad()
    def step(self, gradients: list[Tensor], config: ProbeConfig) -> None:
        adamw(
            self.parameters,
            gradients,
            self.means,
            self.squares,
            [],
            self.counts,
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=self.rate,
            weight_decay=config.weight_decay,
            eps=config.eps,
            maximize=False,
        )

    def keep(self, models: Tensor) -> None:
        self.parameters = list(self.module.parameters())
        self.means = [values[models] for values in self.means]
        self.squares = [values[models] for values in self.squares]


@dataclass(frozen=True)
class Keep:
    """What to keep besides predictions; there may be many probes and classes.

    Attributes:
        logits: Whether the logits of test utterances are kept.
        heads: Probes whose weights are kept.
    """

    logits: bool = False
    heads: Collection[Job] = frozenset()


@dataclass(frozen=True)
class Outcome:
    """One trained probe.

    Attributes:
        job: The probe.
        best_epoch: The epoch whose weights were kept, from 0.
        epochs: Epochs run.
        at_limit: Whether training ended at the epoch limit before patience ran out: longer training might
            have helped.
        validation_loss: Mean cross-entropy on the validation part at the best epoch.
        validation_accuracy: Accuracy there.
        validation_uar: Unweighted average recall there.
        predicted: `[test utterances]` int64 predicted classes, in the order of the fold's test part.
        layer_weights: Weight of each hidden state; empty if a single one is used.
        logits: `[test utterances, classes]`; None if not kept.
        head: Weights of the best epoch as in `state_dict` of the head; None if not kept.
        c: The chosen C of a logistic regression.
    """

    job: Job
    best_epoch: int
    epochs: int
    at_limit: bool
    validation_loss: float
    validation_accuracy: float
    validation_uar: float
    predicted: Tensor
    layer_weights: tuple[float, ...] = ()
    logits: Tensor | None = None
    head: dict[str, Tensor] | None = None
    c: float | None = None

    def probabilities(self, classes: int) -> NDArray[np.float64]:
        """Return `[test utterances, classes]` probabilities, NaN without the logits."""
        if self.logits is None:
            return np.full((len(self.predicted), classes), np.nan)
        return np.asarray(self.logits.double().softmax(dim=-1).numpy())


def outcomes_of(stack: Stack, record: Record, keep: Keep = Keep()) -> list[Outcome]:
    """Predict with each probe of a trained stack on its fold's test part; return one outcome per job.

    Args:
        stack: The probes, with the weights of their best epochs.
        record: The record of their training.
        keep: What to keep.
    """
    index, valid = padded([stack.folds[job.fold].test for job in stack.jobs], stack.blocks.device)
    scored = logits_of(stack, torch.arange(len(stack.jobs), device=stack.blocks.device), index)
    logits = [own[known].cpu() for own, known in zip(scored, valid, strict=True)]
    mix = None if stack.probe.mix is None else stack.probe.mix.weights.tolist()
    best = record.best
    return [
        Outcome(
            job=job,
            best_epoch=int(record.best_epoch[model]),
            epochs=int(record.epochs[model]),
            at_limit=not record.exhausted[model],
            validation_loss=float(best.loss[model]),
            validation_accuracy=float(best.accuracy[model]),
            validation_uar=float(best.uar[model]),
            predicted=logits[model].argmax(dim=-1),
            layer_weights=() if mix is None else tuple(mix[model]),
            logits=logits[model] if keep.logits else None,
            head=_on_cpu(stack.probe.state(model)) if job in keep.heads else None,
            c=None if record.c is None else float(record.c[model]),
        )
        for model, job in enumerate(stack.jobs)
    ]


def _on_cpu(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: values.cpu() for name, values in state.items()}


def best_layer(by_layer: Mapping[int, Sequence[Outcome]], config: ProbeConfig) -> int:
    """Return the layer with the best mean validation score; among equals the lowest.

    Args:
        by_layer: Layer -> its probes.
        config: Names the score, which also selects the epoch.
    """
    return ranked(by_layer, config)[0]


def ranked(by_layer: Mapping[int, Sequence[Outcome]], config: ProbeConfig) -> list[int]:
    """Return the layers by mean validation score, the best first; among equals the lowest first."""
    order = {layer: _preference(outcomes, config.select) for layer, outcomes in by_layer.items()}
    return sorted(sorted(by_layer), key=order.__getitem__, reverse=True)


def _preference(outcomes: Sequence[Outcome], select: str) -> tuple[float, ...]:
    loss = fmean(outcome.validation_loss for outcome in outcomes)
    # Scores on small validation parts are coarse: the loss breaks ties.
    lower = -math.inf if math.isnan(loss) else -loss
    if select == "loss":
        return (lower,)
    return fmean(getattr(outcome, f"validation_{select}") for outcome in outcomes), lower
