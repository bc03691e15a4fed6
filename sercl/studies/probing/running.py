"""Train all probes of a study: which are stacked, and where and by how many threads they are trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sercl.models.heads import build_head
from sercl.models.stacked import StackedProbe
from sercl.studies.probing.batches import padded
from sercl.studies.probing.config import ProbeConfig
from sercl.studies.probing.jobs import WEIGHTED, Job, cohorts_for, most_probes
from sercl.studies.probing.parts import Parts
from sercl.studies.probing.rows import Rows
from sercl.studies.probing.threads import side_by_side
from sercl.studies.probing.training import OnEpochs, Stack, logits_of, train_stack


@dataclass(frozen=True)
class Outcome:
    """One trained probe.

    Attributes:
        job: What was trained.
        best_epoch: The epoch whose weights were kept, from 0.
        epochs: Epochs run.
        at_limit: Whether the epoch limit ended training before patience ran out: more might have helped.
        validation_loss: Mean cross-entropy on the validation part at the best epoch.
        validation_accuracy: Accuracy there.
        validation_uar: Unweighted average recall there.
        predicted: `[test utterances]` int64 predicted classes, in the order of the fold's test part.
        layer_weights: Weight of each hidden state; empty where one was read.
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


@dataclass(frozen=True)
class ProbeData:
    """What probes learn from.

    Attributes:
        features: `[utterances, states, dim]`; may be mapped from a file.
        labels: `[utterances]` int64 class indices; what stands in no fold does not matter.
        classes: Number of classes.
        folds: The folds.
    """

    features: Tensor
    labels: Tensor
    classes: int
    folds: Sequence[Parts]


def train_probes(
    data: ProbeData,
    jobs: Sequence[Job],
    config: ProbeConfig,
    device: torch.device,
    on_epochs: OnEpochs = lambda _: None,
) -> list[Outcome]:
    """Train probes, many at a time, and let each predict its fold's test part.

    Args:
        data: Features, labels and folds, already checked.
        jobs: What to train.
        config: How.
        device: Where. On a processor, stacks are trained side by side, one thread each.
        on_epochs: Called from the threads that train.

    Returns:
        One outcome per job, in their order.
    """
    single = [job for job in jobs if job.layer != WEIGHTED]
    mixed = [job for job in jobs if job.layer == WEIGHTED]
    workers = torch.get_num_threads() if device.type == "cpu" else 1
    heads = initial_heads(data, config)
    cohorts = [
        cohort
        for group in (single, mixed)
        if group
        for cohort in cohorts_for(group, data.folds, config, _most(data, group[0], heads, device), workers)
    ]
    outcomes = side_by_side(
        lambda cohort, report: _train(build_stack(data, cohort, config, heads, device), config, report),
        cohorts,
        workers,
        on_epochs,
    )
    by_job = {outcome.job: outcome for group in outcomes for outcome in group}
    return [by_job[job] for job in jobs]


def initial_head(config: ProbeConfig, dim: int, classes: int, seed: int) -> nn.Sequential:
    """Return the head from which a seed's probes start, whatever their fold and layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_head(config.head, dim, classes)


def initial_heads(data: ProbeData, config: ProbeConfig) -> dict[int, nn.Sequential]:
    """Return the head of each seed; not to be called by several threads, which share a random generator."""
    return {seed: initial_head(config, data.features.shape[2], data.classes, seed) for seed in config.seeds}


def build_stack(
    data: ProbeData,
    jobs: Sequence[Job],
    config: ProbeConfig,
    heads: Mapping[int, nn.Sequential],
    device: torch.device,
) -> Stack:
    """Put probes side by side, each with the head of its seed, and copy what they read."""
    states = data.features.shape[1]
    mix = states if jobs[0].layer == WEIGHTED else None
    keys = [_block_key(job, config) for job in jobs]
    blocks = list(dict.fromkeys(keys))
    sources = [
        (None if layer == WEIGHTED else layer, () if fold is None else data.folds[fold].train)
        for fold, layer in blocks
    ]
    return Stack(
        jobs=jobs,
        probe=StackedProbe([heads[job.seed] for job in jobs], mix).to(device),
        rows=Rows.of(data.features, data.labels, sources, device),
        blocks=torch.tensor([blocks.index(key) for key in keys], device=device),
        folds=data.folds,
    )


def _block_key(job: Job, config: ProbeConfig) -> tuple[int | None, int]:
    return (job.fold if config.standardize else None, job.layer)


def _most(data: ProbeData, job: Job, heads: Mapping[int, nn.Sequential], device: torch.device) -> int:
    rows, states, dim = data.features.shape
    weights = sum(parameter.numel() for parameter in heads[job.seed].parameters())
    block = rows * dim * (states if job.layer == WEIGHTED else 1)
    return most_probes(4 * block, 4 * weights, device)


def _train(stack: Stack, config: ProbeConfig, on_epochs: OnEpochs) -> list[Outcome]:
    record = train_stack(stack, config, on_epochs)
    index, valid = padded([stack.folds[job.fold].test for job in stack.jobs], stack.blocks.device)
    models = torch.arange(len(stack.jobs), device=stack.blocks.device)
    predicted = logits_of(stack, models, index).argmax(dim=-1)
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
            predicted=predicted[place][valid[place]].cpu(),
            layer_weights=() if mix is None else tuple(mix[place]),
        )
        for place, job in enumerate(stack.jobs)
    ]
