"""Which probes there are to train, and which of them are trained together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from sercl.studies.probing.config import ProbeConfig
from sercl.studies.probing.parts import Parts

STACK_BYTES = 32 * 2**20
"""Weights, gradients and moments of AdamW in a stack, in bytes, on a processor.

More would fall out of the caches; fewer would share the fixed costs of a step among fewer probes.
"""

BLOCK_BYTES = 1 << 30
"""Features that a stack may copy, in bytes, on a processor; on a GPU half of the free memory is used."""


@dataclass(frozen=True, order=True)
class Job:
    """One probe to train.

    Attributes:
        fold: Position of its fold.
        layer: Hidden state that it reads; -1 for a learned weighted sum of all of them.
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
    """Cut jobs into stacks that are trained at once.

    A stack takes one optimiser step at a time for all its probes, so they must take equally many per epoch.
    Otherwise any mix of folds, layers and seeds will do.

    Args:
        jobs: What to train.
        folds: The folds.
        config: For the batch size.
        most: Most probes in a stack.
        workers: How many stacks are trained side by side; each gets about the same share.
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
    """Return how many probes one stack may hold.

    Args:
        block_bytes: Size of the features of one probe.
        weight_bytes: Size of the weights of one probe.
        device: Where they are trained.
    """
    if device.type != "cuda":
        return max(1, min(STACK_BYTES // (4 * weight_bytes), BLOCK_BYTES // block_bytes))
    free, _ = torch.cuda.mem_get_info(device)
    # Weights, gradients, two moments, the best weights; and the batch is small beside the block.
    return max(1, int(free // 2 // (block_bytes + 6 * weight_bytes)))
