"""Work on this machine: one item after the other in this process, or several in separate processes."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sercl.ahead import usable_cores
from sercl.launchers.output import empty
from sercl.launchers.process import OwnProcess, first_ended, stop
from sercl.launchers.work import Outcome, Work, carry_out

_THREADS = "OMP_NUM_THREADS"
_GPUS = "CUDA_VISIBLE_DEVICES"


class InProcess:
    """Runs work items one after the other, in this process."""

    def run(self, works: Sequence[Work]) -> Iterator[Outcome]:
        """Yield each outcome; a `BaseException` that is not an `Exception`, such as Ctrl-C, ends the run."""
        for work in works:
            empty(work.log)
            yield carry_out(work)


class Processes:
    """Runs each work item in a new process, several at a time.

    A process runs one item only. Pools that reuse processes break as a whole if one dies
    (`concurrent.futures`, loky), and leftovers of a training, from seeds to GPU memory, would affect the
    next.

    Args:
        jobs: How many at a time. Each gets its share of the cores, unless OMP_NUM_THREADS is set, and one of
            the visible GPUs in turn.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def run(self, works: Sequence[Work]) -> Iterator[Outcome]:
        """Yield outcomes in order of completion; leaving the iterator early stops running processes."""
        waiting, slots = list(reversed(works)), slots_of(self.jobs)
        running: list[tuple[OwnProcess, Mapping[str, str]]] = []
        try:
            while waiting or running:
                while waiting and slots:
                    slot = slots.pop(0)
                    with _environment(slot):
                        running.append((OwnProcess(waiting.pop()), slot))
                ended = first_ended([process for process, _ in running])
                slots += [slot for process, slot in running if process in ended]
                running = [item for item in running if item[0] not in ended]
                yield from (process.outcome() for process in ended)
        finally:
            stop([process for process, _ in running])


def slots_of(jobs: int) -> list[Mapping[str, str]]:
    """Return the environment variables of each parallel process: its GPU, its share of the cores."""
    threads = os.environ.get(_THREADS) or str(max(1, usable_cores() // jobs))
    gpus = _visible_gpus()
    dealt = [{_GPUS: gpus[slot % len(gpus)]} if gpus else {} for slot in range(jobs)]
    return [{_THREADS: threads, **own} for own in dealt]


def _visible_gpus() -> list[str]:
    """Return CUDA's name of each GPU that this process may use."""
    named = os.environ.get(_GPUS)
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    import torch  # takes seconds, which other launchers need not wait for

    return [str(index) for index in range(torch.cuda.device_count())]


@contextmanager
def _environment(own: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for processes started in the block; libraries read them while loading."""
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
