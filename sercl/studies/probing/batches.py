"""In which order a probe meets its training utterances."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sercl.studies.probing.jobs import Job
from sercl.studies.probing.parts import Parts


def epoch_order(rows: int, seed: int, epoch: int) -> Tensor:
    """Return the order of training utterances in an epoch, `[rows]`; it depends on these numbers alone."""
    return torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(rows))


@dataclass(frozen=True)
class Batches:
    """The training batches of a stack in one epoch.

    Attributes:
        index: `[steps, models, batch]` int64 utterances. A batch that is too short is filled up with others.
        weights: `[steps, models, batch]`: 1 / (size of the batch), 0 for those that fill up.
        widths: Size of the largest batch of each step; what stands beyond it is filling in every model.
    """

    index: Tensor
    weights: Tensor
    widths: tuple[int, ...]


def epoch_batches(
    jobs: Sequence[Job], folds: Sequence[Parts], batch_size: int, epoch: int, device: torch.device
) -> Batches:
    """Cut an epoch into batches; each job gets what it would get alone.

    Args:
        jobs: The probes of a stack, with equally many steps per epoch.
        folds: The folds.
        batch_size: Utterances per step.
        epoch: Number of the epoch, from 0.
        device: Where the result is needed.
    """
    pairs = sorted({(job.fold, job.seed) for job in jobs})
    rows = [torch.tensor(folds[fold].train) for fold, _ in pairs]
    width = min(batch_size, max(map(len, rows)))
    steps = -(-max(map(len, rows)) // width)
    index, weights = torch.zeros(2, len(pairs), steps * width, dtype=torch.float64)
    index = index.long()
    for place, (own, (_, seed)) in enumerate(zip(rows, pairs, strict=True)):
        index[place, : len(own)] = own[epoch_order(len(own), seed, epoch)]
        weights[place, : len(own)] = 1
    weights = weights.view(len(pairs), steps, width)
    sizes = weights.sum(dim=-1, keepdim=True)
    picks = [pairs.index((job.fold, job.seed)) for job in jobs]
    return Batches(
        index.view(len(pairs), steps, width)[picks].transpose(0, 1).contiguous().to(device),
        (weights / sizes)[picks].transpose(0, 1).float().contiguous().to(device),
        tuple(int(size) for size in sizes.amax(dim=(0, 2))),
    )


def padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Put lists of different lengths into one table.

    Returns:
        `[lists, longest]` int64, filled up with zeros, and a bool mask of what is not filling.
    """
    longest = max(map(len, rows))
    table = torch.zeros(len(rows), longest, dtype=torch.int64)
    valid = torch.zeros(len(rows), longest, dtype=torch.bool)
    for place, own in enumerate(rows):
        table[place, : len(own)] = torch.tensor(own)
        valid[place, : len(own)] = True
    return table.to(device), valid.to(device)
