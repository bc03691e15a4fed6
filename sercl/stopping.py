"""Signals that ask a command to stop: SIGTERM, and SIGUSR1, which SLURM can send before it ends a job."""

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

from sercl.errors import causes

EXIT_CODES = {"SIGTERM": 143, "SIGUSR1": 75}
"""Name of a signal -> exit code of a command that it stops.

143 is 128 + SIGTERM. 75 is EX_TEMPFAIL of sysexits.h: what is done is kept; call the command again.
"""

SAME = 2.0
"""Time in s within which further signals are the same request.

A scheduler sends its signal to all processes of a job, of which some pass it on to others.
"""

LONGEST = 60.0
"""Time in s after which a stopped command that has not ended is ended by force.

Python may have handled the signal just after it took a lock, which then stays locked.
"""

Handler = Callable[[int, FrameType | None], Any]


class Stopped(SystemExit):
    """A signal has stopped the command.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        self.name = signal.Signals(number).name
        super().__init__(EXIT_CODES[self.name])


@contextmanager
def raising_stops() -> Iterator[None]:
    """Raise `Stopped` in the block at a signal that asks to stop; outside of the main thread, do nothing.

    The block ends with it, or with Ctrl-C, whatever fails on the way out, see `stop_behind`, and also where
    code in C, such as NumPy's, replaces it by an error of its own.
    """
    asked: list[Stopped] = []

    def stop(number: int, frame: FrameType | None) -> None:
        asked.append(Stopped(number))
        limit.begin(asked[-1])
        raise asked[-1]

    with _Limit() as limit, _handling(stop):
        try:
            yield
        except Exception as error:
            for found in (stop_behind(error), *asked):
                if found is not None:
                    raise found from error
            raise


class _Limit:
    """Ends this process if a block has not ended `LONGEST` seconds after it was stopped."""

    def __init__(self) -> None:
        self._before: tuple[Any, tuple[float, float]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            handler, timer = self._before
            signal.setitimer(signal.ITIMER_REAL, *timer)
            signal.signal(signal.SIGALRM, handler)

    def begin(self, stop: Stopped) -> None:
        """Count from now, where the system has alarms."""

        def end(number: int, frame: FrameType | None) -> None:
            os.write(2, f"error: stopped by {stop.name}, and ended by force after {LONGEST:g} s.\n".encode())
            os._exit(EXIT_CODES[stop.name])

        if self._before is None and hasattr(signal, "setitimer"):
            handler = signal.signal(signal.SIGALRM, end)
            self._before = handler, signal.setitimer(signal.ITIMER_REAL, LONGEST)


def stop_behind(error: BaseException) -> BaseException | None:
    """Return the stop, by a signal or Ctrl-C, during which an error arose; None if there was none.

    What is closed on the way out may fail, such as a log that the signal has left half closed.
    """
    stops = (each for each in causes(error) if isinstance(each, Stopped | KeyboardInterrupt))
    return next(stops, None)


class Postponed:
    """Lets a signal wait until the work of a block has reached a point to continue from.

    A second signal acts at once, if it comes after the time `SAME`, as does one that still waits at the end
    of the block.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._before: Mapping[int, Any] = {}

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Postpone signals in the block."""
        with _handling(self._note) as self._before:
            try:
                yield
            except Exception as error:
                # Such as of processes that load audio, which the same signal has ended.
                self.act(self.asked, error)
                raise
            self.act(self.asked)

    def act(self, number: int, cause: BaseException | None = None) -> None:
        """Do what a signal did before the block, or raise `Stopped`; nothing for 0."""
        if not number:
            return
        self.asked = 0
        before = self._before.get(number)
        if callable(before):
            before(number, None)
        raise Stopped(number) from cause

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            self.act(number)
        self.asked = number


@contextmanager
def _handling(handler: Handler) -> Iterator[Mapping[int, Any]]:
    """Handle the signals in the block, and yield what handled them before."""
    if threading.current_thread() is not threading.main_thread():
        yield {}
        return
    owner, last = os.getpid(), -math.inf

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal last
        if os.getpid() == owner:
            if (now := time.monotonic()) - last >= SAME:
                last = now
                handler(number, frame)
        elif number == signal.SIGTERM:  # in a process that was forked here, such as one that loads audio
            os._exit(EXIT_CODES["SIGTERM"])

    numbers = [getattr(signal, name) for name in EXIT_CODES if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, handle)
    try:
        yield before
    finally:
        for number, earlier in before.items():
            signal.signal(number, signal.SIG_DFL if earlier is None else earlier)
