import errno
import io
import os
import signal
import socket
import sys
from functools import partial
from multiprocessing.connection import Connection

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from rich.console import Console

from sercl import imports
from sercl.cli import console
from sercl.cli.failure import BROKEN_PIPE, describe, report
from sercl.cli.main import main
from sercl.connections import is_lost_connection
from sercl.errors import CorpusError, UsageError
from sercl.features.extraction import Extraction
from sercl.stopping import Stopped
from sercl.tasks.classification import EmotionClassifier


def in_worker(kind, text):
    """What torch makes of an error in a loader process."""
    trace = f'Original Traceback (most recent call last):\n  File "x.py"\n{text}\n'
    return kind(f"Caught {kind.__name__} in DataLoader worker process 3.\n{trace}")


@pytest.mark.parametrize(
    ("stop", "code", "said"),
    [
        (KeyboardInterrupt, 130, "error: stopped by Ctrl-C."),
        (
            partial(Stopped, signal.SIGTERM),
            143,
            "error: stopped by SIGTERM, as the system or a job scheduler sends it.",
        ),
        (
            partial(Stopped, signal.SIGUSR1),
            75,
            "error: stopped by SIGUSR1, as the system or a job scheduler sends it.",
        ),
    ],
)
@pytest.mark.parametrize(
    ("place", "step"), [(EmotionClassifier, "training_step"), (Extraction, "predict_step")]
)
def test_work_that_is_stopped_says_so_and_does_not_look_done(
    fit_words, tmp_path, capsys, monkeypatch, stop, code, said, place, step
):
    def stopped(task, batch, index):
        raise stop()

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(place, step, stopped)
    fit_words = [*fit_words, "--features.dir", str(tmp_path / "features")]
    try:
        assert main([*fit_words, "--out", str(tmp_path / "run")]) == code
    finally:
        signal.signal(signal.SIGINT, before)  # Lightning switches Ctrl-C off once it was pressed
    assert capsys.readouterr().err == f"{said} The run in {tmp_path / 'run'} continues with --resume.\n"
    assert not (tmp_path / "run" / "results.json").exists()


def test_an_exit_that_has_nothing_to_do_with_ctrl_c_keeps_its_code():
    assert report(SystemExit(1)) == 1
    assert report(SystemExit(0)) == 0


@pytest.mark.parametrize(
    "kind", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EMFILE, errno.ENAMETOOLONG]
)
def test_what_the_machine_refuses_is_no_defect(kind):
    message, code = describe(OSError(kind, os.strerror(kind), "/data/x"))
    assert message.startswith(f"/data/x: {os.strerror(kind)}. ")
    assert code == 1
    assert "defect" not in message


def test_other_system_errors_are_reported_as_defects():
    message, code = describe(OSError(errno.EBADF, os.strerror(errno.EBADF)))
    assert "defect" in message
    assert code == 1


def test_wrong_use_of_lightning_comes_in_its_own_words():
    assert describe(MisconfigurationException("No supported gpu backend found!")) == (
        "No supported gpu backend found!",
        1,
    )


ALLOCATOR = (
    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
    "allocate 4000000000000000 bytes. Error code 12 (Cannot allocate memory)"
)


class _ArrayMemoryError(MemoryError):
    """Named as numpy's."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("std::bad_alloc"),
        _ArrayMemoryError("Unable to allocate 7.11 PiB for an array with shape (1000000000000000,)"),
        RuntimeError(ALLOCATOR),
        RuntimeError("could not create a primitive"),
        RuntimeError("unable to mmap 4096 bytes from file </torch_1_2>: Cannot allocate memory (12)"),
        OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),  # no process can be forked
        in_worker(MemoryError, "MemoryError"),
        in_worker(RuntimeError, f"RuntimeError: {ALLOCATOR}"),
        in_worker(OSError, "OSError: [Errno 12] Cannot allocate memory"),
        # What torch makes of an error that it cannot build from a text.
        RuntimeError(str(in_worker(_ArrayMemoryError, "numpy._core._exceptions._ArrayMemoryError: ..."))),
    ],
)
def test_memory_that_runs_out_is_named(error):
    message, code = describe(error)
    assert message.startswith("out of memory. Use smaller batches (in training --data.loader.batch_seconds)")
    assert code == 1


@pytest.mark.parametrize("text", ["CUDA out of memory. Tried to allocate 2 GiB", "CUDA error: out of memory"])
def test_memory_of_a_gpu_that_runs_out_is_named(text):
    assert describe(RuntimeError(text))[0].startswith("out of GPU memory.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "DataLoader worker (pid 12) is killed by signal: Killed. ",
            "was killed (signal: Killed), as the system",
        ),
        (
            "DataLoader worker (pid 12) is killed by signal: Aborted. ",
            "was killed (signal: Aborted). Use fewer",
        ),
        (
            "DataLoader worker (pid(s) 12, 13) exited unexpectedly",
            "has died, as it does when memory runs out.",
        ),
        ("DataLoader worker (pid 12) exited unexpectedly with exit code 1. Details are lost", "has died"),
        ("Pin memory thread exited unexpectedly", "has died"),
        (
            "DataLoader worker (pid 12) is killed by signal: Bus error. It is possible that dataloader's "
            "workers are out of shared memory. Please try to raise your shared memory limit.",
            "/dev/shm",
        ),
        ("unable to write to file </torch_1_2_3>: No space left on device (28)", "/dev/shm"),
    ],
)
def test_the_death_of_a_loader_process_says_what_to_do(text, said):
    message, code = describe(RuntimeError(text))
    assert "process" in message
    assert said in message
    assert "--data.loader.workers" in message
    assert code == 1


def test_how_a_loader_process_was_killed_stands_in_the_cause():
    error = RuntimeError("DataLoader worker (pid(s) 12) exited unexpectedly")
    error.__cause__ = RuntimeError("DataLoader worker (pid 12) is killed by signal: Killed. ")
    assert "(signal: Killed)" in describe(error)[0]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (in_worker(OSError, "OSError: [Errno 24] Too many open files: 'a.wav'"), "ulimit -n"),
        (RuntimeError("received 0 items of ancdata"), "ulimit -n"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)), "ulimit -u"),
    ],
)
def test_limits_of_the_system_are_named(error, said):
    message, code = describe(error)
    assert said in message
    assert "defect" not in message
    assert code == 1


@pytest.mark.parametrize(
    "text",
    [
        "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:30",
        "NCCL error in: /pytorch/torch/csrc/distributed/c10d/NCCLUtils.hpp:268, remote process exited",
    ],
)
def test_a_lost_connection_is_no_defect(text):
    message, code = describe(RuntimeError(text))
    assert message.startswith("the connection to another process of this run was lost")
    assert code == 1
    assert is_lost_connection(RuntimeError(text))
    assert not is_lost_connection(BrokenPipeError())


def test_an_error_of_a_loader_process_keeps_its_text_over_several_lines():
    error = in_worker(CorpusError, "sercl.errors.CorpusError: EmoDB: 2 problems\n  a.wav: empty")
    assert describe(error) == ("EmoDB: 2 problems\n  a.wav: empty", 1)
    # Only the type that torch could rebuild decides on the code.
    assert describe(in_worker(UsageError, "sercl.errors.UsageError: no such layer")) == ("no such layer", 2)


def test_a_defect_in_a_loader_process_is_reported_as_one():
    assert "defect" in describe(in_worker(ZeroDivisionError, "ZeroDivisionError: division by zero"))[0]


def test_a_reader_that_has_gone_is_no_error(capfd):
    kept = os.dup(sys.stdout.fileno())
    try:
        assert report(BrokenPipeError()) == BROKEN_PIPE
    finally:
        os.dup2(kept, sys.stdout.fileno())
    assert capfd.readouterr().err == ""


def test_on_a_terminal_the_message_stands_in_a_frame(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(console, "stderr", Console(file=terminal, width=60, no_color=True))
    assert report(UsageError("layer [9]: valid: 0 to 3.")) == 2
    assert "layer [9]: valid: 0 to 3." in terminal.getvalue()
    assert "─ error" in terminal.getvalue()


def test_an_error_in_a_package_of_the_users_own_is_no_defect_of_sercl(monkeypatch):
    monkeypatch.setenv("SERCL_ALLOW_IMPORTS", "mylab")
    names = {"__name__": "mylab.scores"}
    exec(compile("def score(matrix):\n    return matrix / 0", "mylab/scores.py", "exec"), names)
    with pytest.raises(ZeroDivisionError) as error:
        names["score"](1)
    message, code = describe(error.value)
    assert "It was raised in mylab/scores.py:2, which is not part of sercl." in message
    assert (code, "defect" in message) == (1, False)
    monkeypatch.delenv("SERCL_ALLOW_IMPORTS")
    monkeypatch.setattr(imports, "_allowed", set())
    assert "a defect in sercl" in describe(error.value)[0]


def test_a_loader_process_that_dies_while_it_sends_is_named():
    here, there = socket.socketpair(socket.AF_UNIX)
    connection = Connection(here.detach())
    connection.send_bytes(b"unread, so that closing resets the connection")
    there.close()
    with pytest.raises(ConnectionResetError) as caught:
        connection.recv_bytes()
    assert describe(caught.value)[0].startswith("a process that loads audio has died")
    assert "loads audio" not in describe(ConnectionResetError("elsewhere"))[0]


@pytest.mark.parametrize(
    ("stop", "code"), [(KeyboardInterrupt(), 130), (Stopped(signal.SIGTERM), 143), (ValueError("no"), 1)]
)
def test_an_error_on_the_way_out_is_not_reported_in_place_of_the_stop(stop, code, capsys):
    error = OSError("Writer is closed")
    error.__context__ = stop
    assert report(error) == code
    assert ("Writer is closed" in capsys.readouterr().err) == (code == 1)
