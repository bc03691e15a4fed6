"""One work item in several processes of this machine, each with a device: the ranks of a training."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

from sercl.connections import NO_ANSWER, waited
from sercl.errors import ProcessFailedError
from sercl.launchers.local import share_of_cores
from sercl.launchers.process import Environment, OwnProcess, join, stop
from sercl.launchers.work import Work, carry_out
from sercl.stopping import Postponed, raising_stops

_LOOK = 0.2
"""Time in s after which signals are looked for."""
_PORTS = range(16_384, 32_768)
"""Below those that systems give to connections, which could take one before the ranks listen on it."""
_OTHER_LAUNCHERS = (
    *("TORCHELASTIC_RUN_ID", "GROUP_RANK", "SLURM_NTASKS", "LSB_DJOB_RANKFILE", "JSM_NAMESPACE_SIZE"),
)
"""Variables by which Lightning would take the processes for those of another launcher."""


def on_devices(call: Callable[[], None], devices: int, log: Path) -> Callable[[], None]:
    """Return the call of a work item in as many processes as it has devices; with one, the call itself.

    Args:
        call: What each process calls; picklable.
        devices: Number of devices.
        log: File of the work item, which gets the output of all of them.
    """
    return call if devices == 1 else partial(run_ranks, call, devices, log)


def run_ranks(call: Callable[[], None], count: int, log: Path) -> None:
    """Call a function in several new processes, as the ranks of one run, and wait until all are done.

    They end with this process, whatever ends it. Signals that ask to stop are passed on to them, and they
    have the time that they need.

    Args:
        call: What each of them calls; picklable.
        count: Number of processes.
        log: File that their output is appended to.

    Raises:
        ProcessFailedError: If one of them fails or dies; the others are ended.
        Stopped: If a signal has ended them.
    """
    ranks: list[OwnProcess] = []
    postponed, shared = Postponed(), _shared(count)
    work = Work("rank", partial(_as_rank, call), log)
    with postponed.waiting():
        try:
            for rank in range(count):
                numbers = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                ranks.append(OwnProcess(work, {**shared, **numbers}, carry_out))
                ranks[-1].start()
            _watch(ranks, postponed)
        finally:
            stop(ranks)


def _as_rank(call: Callable[[], None]) -> None:
    with raising_stops(), _naming_silence():
        call()


@contextmanager
def _naming_silence() -> Iterator[None]:
    """Say what it means if waiting for another rank is given up, which nothing else reports."""
    try:
        yield
    except RuntimeError as error:
        if (seconds := waited(error)) is None:
            raise
        raise ProcessFailedError(f"another rank {NO_ANSWER.format(seconds)}", 1) from error


def _shared(count: int) -> Environment:
    """Return the variables of all ranks: where they meet, how many they are, and the cores of each."""
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    numbers = {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "NODE_RANK": "0"}
    return {**dict.fromkeys(_OTHER_LAUNCHERS), **meeting, **numbers, **share_of_cores(count)}


def free_port() -> int:
    """Return a port of this machine that is free, and that no other call of this chooses at the same time."""
    first = 61 * os.getpid()
    ports = (_PORTS[(first + number) % len(_PORTS)] for number in range(len(_PORTS)))
    return next(port for port in ports if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _watch(ranks: Sequence[OwnProcess], postponed: Postponed) -> None:
    """Wait until all are done, or, once they are asked to stop, until the first has ended."""
    passed_on = 0
    while running := [rank for rank in ranks if not rank.has_ended]:
        if postponed.asked and not passed_on:
            passed_on = postponed.asked
            for rank in running:
                rank.ask(passed_on)
        if passed_on and len(running) < len(ranks):
            join(running)  # What they stop for is saved; one that waits for the first would wait forever.
            return
        if not passed_on:
            _raise_failure(ranks)
        wait([sign for rank in running for sign in rank.signs], timeout=_LOOK)
    _raise_failure(ranks)


def _raise_failure(ranks: Sequence[OwnProcess]) -> None:
    """Raise `ProcessFailedError` with what failed first; others then lose their connection to it."""
    reports = [
        (report.time, rank, report.error) for rank, own in enumerate(ranks) if (report := own.report())
    ]
    failures = [each for each in reports if each[2] is not None]
    if failures:
        _, rank, error = min(failures)
        raise ProcessFailedError(f"rank {rank}: {error}", 1)
