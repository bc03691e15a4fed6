"""Rows of all processes of a distributed run."""

from typing import TypeVar

import torch.distributed as dist

Row = TypeVar("Row")


def gathered(rows: list[Row]) -> list[Row]:
    """Return the rows of every process, in rank order; those of this one where there is no other.

    Args:
        rows: Picklable; CPU tensors in them are sent as they are.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return rows
    parts: list[list[Row]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(parts, rows)
    return [row for part in parts for row in part]
