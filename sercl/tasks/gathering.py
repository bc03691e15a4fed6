"""Exchange between the processes of a distributed run: rows, decisions, and what the first of them does."""

from collections.abc import Callable
from typing import TypeVar, cast

import torch.distributed as dist

Item = TypeVar("Item")
Choice = TypeVar("Choice")


def gathered(rows: list[Item]) -> list[Item]:
    """Return the rows of every process, in rank order; those of this one if it is the only one.

    Args:
        rows: Picklable; CPU tensors in them are sent unchanged.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return rows
    parts: list[list[Item]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(parts, rows)
    return [row for part in parts for row in part]


def by_first(act: Callable[[], object]) -> None:
    """Do something in the first process, as soon as all others are at the same point."""
    gathered([None])
    if not (dist.is_available() and dist.is_initialized()) or dist.get_rank() == 0:
        act()


def of_first(decide: Callable[[], Choice]) -> Choice:
    """Return the first process's decision; others would read files that it may be changing.

    Before the process group exists, each process decides by itself.

    Args:
        decide: Its result must be picklable.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return decide()
    held = [decide() if dist.get_rank() == 0 else None]
    dist.broadcast_object_list(held, src=0)
    return cast(Choice, held[0])
