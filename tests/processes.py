"""Several processes of one test, forked from it: importing torch and lightning anew takes many seconds."""

import multiprocessing
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

_FORK = multiprocessing.get_context("fork")
_LIMIT = 60.0
"""Seconds after which a process is taken to hang."""


def gathered(work: Callable[[int], Any], place: Path, count: int = 2) -> list[Any]:
    """Return what `work(rank)` returns in each of `count` processes, joined in a group of gloo.

    Args:
        work: May be a closure; what it returns must be picklable.
        place: An empty folder, where the processes meet.
        count: Number of processes.
    """
    pipes = [_FORK.Pipe(duplex=False) for _ in range(count)]
    processes = [
        _FORK.Process(target=_join, args=(work, place, rank, count, sender))
        for rank, (_, sender) in enumerate(pipes)
    ]
    for process in processes:
        process.start()
    try:
        return [_answer(pipe[0], rank) for rank, pipe in enumerate(pipes)]
    finally:
        for process in processes:
            process.kill()
            process.join()


def _answer(pipe: Any, rank: int) -> Any:
    assert pipe.poll(_LIMIT), f"process {rank} hangs"
    done, answer = pipe.recv()
    assert done, f"process {rank}:\n{answer}"
    return answer


def _join(work: Callable[[int], Any], place: Path, rank: int, count: int, pipe: Any) -> None:
    torch.set_num_threads(1)  # a forked process must not use the threads of its parent
    try:
        method = f"file://{place / 'meeting'}"
        dist.init_process_group("gloo", init_method=method, rank=rank, world_size=count)
        pipe.send((True, work(rank)))
    except BaseException:
        pipe.send((False, traceback.format_exc()))
    os._exit(0)  # nothing of the test's own may run twice
