import math
import os
import signal
import subprocess
import sys
from functools import partial

import pytest

from sercl import stopping
from sercl.stopping import Postponed, Stopped, raising_stops

USR1, TERM = signal.SIGUSR1, signal.SIGTERM


def send(number):
    os.kill(os.getpid(), number)


@pytest.fixture(autouse=True)
def _handlers_are_put_back():
    before = [signal.getsignal(number) for number in (USR1, TERM)]
    yield
    assert [signal.getsignal(number) for number in (USR1, TERM)] == before


@pytest.mark.parametrize(("number", "code"), [(USR1, 75), (TERM, 143)])
def test_a_signal_ends_a_block_with_its_code(number, code):
    with pytest.raises(Stopped) as stopped, raising_stops():
        send(number)
    assert (stopped.value.code, stopped.value.name) == (code, signal.Signals(number).name)


@pytest.mark.parametrize(
    ("stop", "kind"), [(partial(send, TERM), Stopped), (partial(send, signal.SIGINT), KeyboardInterrupt)]
)
def test_what_fails_on_the_way_out_is_not_the_end(stop, kind):
    with pytest.raises(kind):
        closing_badly(stop)


def test_an_error_that_replaces_the_stop_is_not_the_end():
    def replaced():
        with pytest.raises(Stopped):
            send(TERM)

    with pytest.raises(Stopped):
        closing_badly(replaced)


HANGING = """
import os, signal, threading
from sercl import stopping
stopping.LONGEST = 0.3
lock = threading.Lock()
with stopping.raising_stops():
    lock.acquire()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        lock.acquire()  # as where the signal came just after a `with` took it
"""


def test_what_hangs_on_the_way_out_is_ended_by_force():
    done = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=300)
    assert done.returncode == 143
    assert done.stderr == "error: stopped by SIGTERM, and ended by force after 0.3 s.\n"


def test_nothing_is_ended_by_force_after_the_block(monkeypatch):
    monkeypatch.setattr(stopping, "LONGEST", 1000.0)
    handler, inside = signal.getsignal(signal.SIGALRM), []

    def stop():
        try:
            send(TERM)
        finally:
            inside.append(signal.getitimer(signal.ITIMER_REAL)[0])

    before = signal.setitimer(signal.ITIMER_REAL, 5000.0)
    try:
        with pytest.raises(Stopped), raising_stops():
            stop()
        assert 0 < inside[0] <= 1000
        # A timer that was set before goes on.
        assert 1000 < signal.getitimer(signal.ITIMER_REAL)[0] <= 5000
        assert signal.getsignal(signal.SIGALRM) == handler
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *before)


def test_an_error_without_a_signal_passes():
    with pytest.raises(OSError, match="Writer"):
        closing_badly(lambda: None)


def closing_badly(work):
    with raising_stops():
        try:
            work()
        finally:
            raise OSError("Writer is closed")


def waiting(*steps, postponed=None):
    """Do something while signals wait."""
    with (postponed or Postponed()).waiting():
        for step in steps:
            step()


def fail():
    raise RuntimeError("a process that loads audio was ended, too")


def test_a_signal_waits_for_the_end_of_the_block():
    postponed, seen = Postponed(), []
    with pytest.raises(Stopped):
        waiting(partial(send, USR1), lambda: seen.append(postponed.asked), postponed=postponed)
    assert seen == [USR1]


def test_the_second_signal_does_not_wait(monkeypatch):
    monkeypatch.setattr(stopping, "SAME", 0.0)
    seen = []
    with pytest.raises(Stopped) as stopped:
        waiting(partial(send, USR1), partial(send, TERM), lambda: seen.append("reached"))
    assert stopped.value.name == "SIGTERM"
    assert not seen


@pytest.mark.parametrize("second", [USR1, TERM])
def test_what_a_scheduler_sends_twice_is_one_request(second, monkeypatch):
    monkeypatch.setattr(stopping, "SAME", math.inf)
    seen = []
    with pytest.raises(Stopped) as stopped:
        waiting(partial(send, USR1), partial(send, second), lambda: seen.append("reached"))
    assert stopped.value.name == "SIGUSR1"
    assert seen == ["reached"]


def test_what_handled_the_signal_before_handles_it_afterwards():
    called = []
    before = signal.signal(USR1, lambda number, frame: called.append(number))
    try:
        with pytest.raises(Stopped):
            waiting(partial(send, USR1), lambda: called.append("the rest"))
    finally:
        signal.signal(USR1, before)
    assert called == ["the rest", USR1]


def test_an_error_that_the_signal_has_caused_is_its_cause():
    with pytest.raises(Stopped) as stopped:
        waiting(partial(send, TERM), fail)
    assert isinstance(stopped.value.__cause__, RuntimeError)


def test_an_error_without_a_signal_stays_itself():
    with pytest.raises(RuntimeError, match="loads audio"):
        waiting(fail)


@pytest.mark.parametrize(("number", "code"), [(USR1, 0), (TERM, 143)])
def test_processes_that_load_audio_do_not_stop_the_training(number, code):
    with raising_stops():
        child = os.fork()
        if not child:
            send(number)
            sys.stdout.flush()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code
