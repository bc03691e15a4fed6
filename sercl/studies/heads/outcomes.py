"""The outcome of a trained probe."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from sercl.studies.heads.config import ProbeConfig
from sercl.studies.heads.jobs import Job, padded
from sercl.studies.heads.training import Stack, Stopping, logits_of


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


def outcomes_of(stack: Stack, record: Stopping, keep: Keep = Keep()) -> list[Outcome]:
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
            best_epoch=int(record.best_epoch[place]),
            epochs=int(record.epochs[place]),
            at_limit=not record.exhausted[place],
            validation_loss=float(best.loss[place]),
            validation_accuracy=float(best.accuracy[place]),
            validation_uar=float(best.uar[place]),
            predicted=logits[place].argmax(dim=-1),
            layer_weights=() if mix is None else tuple(mix[place]),
            logits=logits[place] if keep.logits else None,
            head=_on_cpu(stack.probe.state(place)) if job in keep.heads else None,
        )
        for place, job in enumerate(stack.jobs)
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
