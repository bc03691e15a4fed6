"""What the processes of a distributed run tell each other: rows, and decisions."""

from collections.abc import Callable
from typing import TypeVar, cast

import torch.distributed as dist

Row = TypeVar("Row")
Choice = TypeVar("Choice")


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


def of_first(decide: Callable[[], Choice]) -> Choice:
    """Return what the first process decides; others would look at files that it may be changing.

    Before the processes have met, each decides by itself.

    Args:
        decide: What it decides must be picklable.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return decide()
    held = [decide() if dist.get_rank() == 0 else None]
    dist.broadcast_object_list(held, src=0)
    return cast(Choice, held[0])
