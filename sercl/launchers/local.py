"""Work on this machine: one item after the other in this process, or several in separate processes."""

import os
from collections.abc import Iterator, Mapping, Sequence

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
        jobs: How many at a time. Each gets its share of the cores, unless OMP_NUM_THREADS is set, and visible
            GPUs in turn.
        devices: How many GPUs each gets.
    """

    def __init__(self, jobs: int, devices: int = 1) -> None:
        self.jobs, self.devices = jobs, devices

    def run(self, works: Sequence[Work]) -> Iterator[Outcome]:
        """Yield outcomes in order of completion; leaving the iterator early stops running processes."""
        waiting, slots = list(reversed(works)), slots_of(self.jobs, self.devices)
        running: list[tuple[OwnProcess, Mapping[str, str]]] = []
        try:
            while waiting or running:
                while waiting and slots:
                    slot = slots.pop(0)
                    process = OwnProcess(waiting.pop(), slot)
                    running.append((process, slot))
                    process.start()
                ended = first_ended([process for process, _ in running])
                slots += [slot for process, slot in running if process in ended]
                running = [item for item in running if item[0] not in ended]
                yield from (process.outcome() for process in ended)
        finally:
            stop([process for process, _ in running])


def slots_of(jobs: int, devices: int = 1) -> list[Mapping[str, str]]:
    """Return the environment variables of each parallel process: its GPUs, its share of the cores.

    Args:
        jobs: Number of processes.
        devices: How many GPUs each gets, in turn.
    """
    threads = os.environ.get(_THREADS) or str(max(1, usable_cores() // jobs))
    gpus = _visible_gpus()
    turns = [
        [gpus[(slot * devices + i) % len(gpus)] for i in range(devices)] if gpus else []
        for slot in range(jobs)
    ]
    dealt = [{_GPUS: ",".join(dict.fromkeys(own))} if own else {} for own in turns]
    return [{_THREADS: threads, **own} for own in dealt]


def share_of_cores(processes: int) -> Mapping[str, str]:
    """Return the environment variable of each of several processes that do the work of this one together."""
    whole = os.environ.get(_THREADS, "").partition(",")[0]
    return {_THREADS: str(max(1, (int(whole) if whole.isdecimal() else usable_cores()) // processes))}


def _visible_gpus() -> list[str]:
    """Return CUDA's name of each GPU that this process may use."""
    named = os.environ.get(_GPUS)
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    import torch  # takes seconds, which other launchers need not wait for

    return [str(index) for index in range(torch.cuda.device_count())]
