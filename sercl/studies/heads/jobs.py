"""Which probes are trained, and which of them together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from sercl.studies.heads.config import ProbeConfig
from sercl.studies.heads.parts import Parts

STACK_BYTES = 32 * 2**20
"""Weights, gradients and moments of AdamW in a stack, in bytes, on a CPU. More would not fit into the
caches; fewer would share the fixed costs of a step among fewer probes.
"""

BLOCK_BYTES = 1 << 30
"""Features that a stack may copy, in bytes, on a CPU; on a GPU half of the free memory is used."""


@dataclass(frozen=True, order=True)
class Job:
    """One probe to train.

    Attributes:
        fold: Index of its fold.
        layer: Hidden state that it uses; -1 for a learned weighted sum of all of them.
        seed: Seed of its weights and of the order of its training utterances.
    """

    fold: int
    layer: int
    seed: int


WEIGHTED = -1
"""`Job.layer` of a probe on a learned weighted sum of all hidden states."""


def jobs_for(folds: int, layers: Sequence[int], seeds: Sequence[int]) -> list[Job]:
    """Return a job per fold, layer and seed."""
    return sorted(Job(fold, layer, seed) for fold in range(folds) for layer in layers for seed in seeds)


def steps_of(fold: Parts, config: ProbeConfig) -> int:
    """Return the number of optimiser steps in an epoch."""
    return math.ceil(len(fold.train) / config.batch_size)


def cohorts_for(
    jobs: Sequence[Job],
    folds: Sequence[Parts],
    config: ProbeConfig,
    most: int,
    workers: int = 1,
) -> list[list[Job]]:
    """Divide jobs into stacks that are trained together.

    A stack takes one optimiser step at a time for all its probes, so all must have the same number per
    epoch. Otherwise any mix of folds, layers and seeds is possible.

    Args:
        jobs: The probes to train.
        folds: The folds.
        config: For the batch size.
        most: Maximum number of probes in a stack.
        workers: Number of stacks trained in parallel; each gets about the same number of probes.
    """
    groups: dict[int, list[Job]] = {}
    for job in sorted(jobs):
        groups.setdefault(steps_of(folds[job.fold], config), []).append(job)
    return [cohort for group in groups.values() for cohort in _cut(group, most, workers)]


def _cut(jobs: Sequence[Job], most: int, workers: int) -> list[list[Job]]:
    count = math.ceil(len(jobs) / most)
    count = min(len(jobs), math.ceil(count / workers) * workers)
    ends = [round(len(jobs) * number / count) for number in range(count + 1)]
    return [list(jobs[start:end]) for start, end in pairwise(ends)]


def most_probes(block_bytes: int, weight_bytes: int, device: torch.device) -> int:
    """Return the maximum number of probes in a stack.

    Args:
        block_bytes: Size of the features of one probe.
        weight_bytes: Size of the weights of one probe.
        device: Device on which they are trained.
    """
    if device.type != "cuda":
        return max(1, min(STACK_BYTES // (4 * weight_bytes), BLOCK_BYTES // block_bytes))
    free, _ = torch.cuda.mem_get_info(device)
    # Weights, gradients, two moments, the best weights; the batch is small compared with the block.
    return max(1, int(free // 2 // (block_bytes + 6 * weight_bytes)))


def epoch_order(rows: int, seed: int, epoch: int) -> Tensor:
    """Return the order of training utterances in an epoch, `[rows]`; it depends only on these numbers."""
    return torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(rows))


@dataclass(frozen=True)
class Batches:
    """The training batches of a stack in one epoch.

    Attributes:
        index: `[steps, models, batch]` int64 utterances. A batch that is too short is padded with others.
        weights: `[steps, models, batch]`: 1 / (size of the batch), 0 for padding.
        widths: Size of the largest batch of each step; everything beyond it is padding in every model.
    """

    index: Tensor
    weights: Tensor
    widths: tuple[int, ...]


def epoch_batches(
    jobs: Sequence[Job], folds: Sequence[Parts], batch_size: int, epoch: int, device: torch.device
) -> Batches:
    """Divide an epoch into batches; each job gets the same batches as if trained alone.

    Args:
        jobs: The probes of a stack, with equally many steps per epoch.
        folds: The folds.
        batch_size: Utterances per step.
        epoch: Number of the epoch, from 0.
        device: Device of the result.
    """
    pairs = sorted({(job.fold, job.seed) for job in jobs})
    rows = [torch.tensor(folds[fold].train) for fold, _ in pairs]
    width = min(batch_size, max(map(len, rows)))
    steps = -(-max(map(len, rows)) // width)
    index, weights = torch.zeros(2, len(pairs), steps * width, dtype=torch.float64)
    index = index.long()
    for row, (own, (_, seed)) in enumerate(zip(rows, pairs, strict=True)):
        index[row, : len(own)] = own[epoch_order(len(own), seed, epoch)]
        weights[row, : len(own)] = 1
    weights = weights.view(len(pairs), steps, width)
    sizes = weights.sum(dim=-1, keepdim=True)
    picks = [pairs.index((job.fold, job.seed)) for job in jobs]
    return Batches(
        index.view(len(pairs), steps, width)[picks].transpose(0, 1).contiguous().to(device),
        (weights / sizes)[picks].transpose(0, 1).float().contiguous().to(device),
        tuple(int(size) for size in sizes.amax(dim=(0, 2))),
    )


def padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Pad lists of different lengths to one table.

    Returns:
        `[lists, longest]` int64, padded with zeros, and a bool mask that is false for padding.
    """
    longest = max(map(len, rows))
    table = torch.zeros(len(rows), longest, dtype=torch.int64)
    valid = torch.zeros(len(rows), longest, dtype=torch.bool)
    for row, own in enumerate(rows):
        table[row, : len(own)] = torch.tensor(own)
        valid[row, : len(own)] = True
    return table.to(device), valid.to(device)
