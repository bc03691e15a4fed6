"""A process of several that fails ends the run: soon, with one message, with nothing left running."""

import multiprocessing
import os
import signal
import threading
from datetime import timedelta
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist

from sercl.cli import processes, siblings
from sercl.cli.main import main
from sercl.cli.processes import Others
from sercl.cli.siblings import Failure
from sercl.data.datamodules.corpus import CorpusDataModule
from sercl.errors import UsageError
from sercl.features.extraction import Extraction
from sercl.tasks.classification import EmotionClassifier
from tests.processes import launched, left_running, rank_of_process


def killed(number):
    def kill():
        os.kill(os.getpid(), number)

    return kill


def refused():
    raise UsageError("no such folder")


def out_of_memory():
    torch.empty(10**15)


def broken():
    raise ZeroDivisionError("division by zero")


def failing(kind, method, rank, fail):
    """Return what makes one process fail at the second call of a method, or at the first of `setup`."""

    def prepare():
        before, calls = getattr(kind, method), []

        def patched(self, *args, **kwargs):
            calls.append(None)
            if rank_of_process() == rank and len(calls) >= (1 if method == "setup" else 2):
                fail()
            return before(self, *args, **kwargs)

        setattr(kind, method, patched)

    return prepare


KILLED = "its process was killed by SIGKILL, as the system does when memory runs out"
FIRST_KILLED = "the first process of this run was killed"
TASK = EmotionClassifier
CASES = {
    "killed": (TASK, "training_step", 1, killed(signal.SIGKILL), 1, f"rank 1: {KILLED}"),
    "out of memory": (TASK, "training_step", 1, out_of_memory, 1, "rank 1: out of memory"),
    "broken": (TASK, "validation_step", 1, broken, 1, "rank 1: unexpected ZeroDivisionError"),
    "ended": (TASK, "training_step", 1, lambda: os._exit(3), 1, "rank 1: its process ended with exit code 3"),
    # Before the first process has met the other one: it waits where no signal reaches it.
    "set up": (CorpusDataModule, "setup", 1, refused, 2, "rank 1: no such folder"),
    # Between collective operations: nothing tells the other process but its own watch.
    "extracting": (Extraction, "predict_step", 1, killed(signal.SIGKILL), 1, f"rank 1: {KILLED}"),
    "first killed": (TASK, "training_step", 0, killed(signal.SIGKILL), -9, FIRST_KILLED),
    "first broken": (TASK, "training_step", 0, broken, 1, "unexpected ZeroDivisionError"),
    "first stopped": (TASK, "training_step", 0, killed(signal.SIGTERM), 143, "stopped by SIGTERM"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_process_that_fails_ends_the_run(case, fit_words, tmp_path):
    kind, method, rank, fail, code, said = CASES[case]
    words = [*fit_words, "--data.loader.batch_size", "12", "--features.batch_seconds", "2", "--no-cache"]
    ended = launched(
        [*words, "--out", str(tmp_path / "run")], tmp_path / "said", failing(kind, method, rank, fail)
    )
    left = left_running(tmp_path / "said")
    errors = (tmp_path / "said" / "err").read_text()  # what the last process has said, too
    assert errors.startswith(f"error: {said}"), errors
    assert errors.count("error: ") == 1, errors
    assert ended.code == code
    assert not left
    assert not (tmp_path / "run" / "results.json").exists()


def small_memory(noted):
    """Return what lets batches of more than four clips not fit into the memory of the second process."""

    def prepare():
        loss = EmotionClassifier.training_loss

        def small(task, batch):
            if rank_of_process() == 1:
                with noted.open("a") as file:
                    file.write(f"{len(batch)}\n")
                if len(batch) > 4:
                    out_of_memory()
            return loss(task, batch)

        EmotionClassifier.training_loss = small

    return prepare


@pytest.mark.slow
def test_a_process_whose_memory_runs_out_trains_in_parts(fit_words, tmp_path):
    words = [*fit_words, "--data.loader.batch_size", "12", "--no-cache", "--out", str(tmp_path / "run")]
    ended = launched(words, tmp_path / "said", small_memory(tmp_path / "noted"))
    assert ended.code == 0, ended.err
    assert (tmp_path / "run" / "results.json").exists()
    assert (tmp_path / "noted").read_text().split()[:6] == ["12", "6", "3", "3", "3", "3"]


def hanging(noted):
    """Return what suspends the second process, and lets the first note how long it waits, and wait for 2 s.

    So short a time from the beginning might end the run elsewhere, on a busy machine.
    """
    stop = failing(TASK, "training_step", 1, killed(signal.SIGSTOP))

    def shorten():
        group = dist.group.WORLD._get_backend(torch.device("cpu"))
        noted.write_text(f"{group.options._timeout}")
        group._set_default_timeout(timedelta(seconds=2))

    def prepare():
        stop()
        failing(TASK, "training_step", 0, shorten)()

    return prepare


@pytest.mark.slow
def test_a_process_that_does_not_answer_is_named_after_the_time_that_was_given(fit_words, tmp_path):
    words = [*fit_words, "--data.loader.batch_size", "12", "--no-cache", "--out", str(tmp_path / "run")]
    strategy = ["--trainer.strategy", "DDPStrategy", "--trainer.strategy.timeout", "0:03:00"]
    ended = launched(words, tmp_path / "said", hanging(tmp_path / "noted"), strategy)
    left = left_running(tmp_path / "said")
    errors = (tmp_path / "said" / "err").read_text()
    assert (tmp_path / "noted").read_text() == "0:03:00"
    assert errors.startswith("error: rank 1: has not responded for 2 s: it hangs, or was suspended."), errors
    assert "--trainer.strategy.timeout" in errors
    assert errors.count("error: ") == 1
    assert ended.code == 1
    assert not left


class Running:
    """A process that goes on."""

    def poll(self):
        return None

    def wait(self, timeout=None):
        return 0

    def send_signal(self, number):
        pass


@pytest.fixture
def others(tmp_path):
    """The process of rank 1, as the first process monitors it."""
    before = signal.getsignal(signal.SIGUSR2)
    yield Others([Running()], tmp_path, 0)
    signal.signal(signal.SIGUSR2, before)


def test_where_all_have_only_lost_a_connection_nobody_waits_for_a_cause(others, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_CAUSE", 1e6)
    siblings.put(tmp_path, 1, Failure("connection lost", 1, lost=True))
    found = others.cause_of(RuntimeError("Connection closed by peer"))
    others.end()
    assert str(found) == "rank 1: connection lost"


def test_one_thread_alone_says_what_has_ended_the_run(others, monkeypatch):
    said = []
    monkeypatch.setattr(processes, "_NOTICE", 0.01)
    monkeypatch.setattr(processes.failures, "report", said.append)
    monkeypatch.setattr(os, "_exit", said.append)
    others.end()
    others._tell(Failure("no memory", 1))
    assert said == []


@pytest.fixture
def later(tmp_path, monkeypatch):
    """Be the second process of a run."""
    monkeypatch.setenv("SERCL_FAILURES", str(tmp_path))
    monkeypatch.setenv("SERCL_FIRST_PROCESS", str(os.getppid()))
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(siblings, "_orphaned", threading.Lock())


@pytest.mark.usefixtures("later")
def test_a_process_that_has_lost_the_first_says_so_before_it_ends(monkeypatch, capsys):
    def end(code):
        raise SystemExit(code)

    monkeypatch.setenv("SERCL_FIRST_PROCESS", "0")
    monkeypatch.setattr(os, "_exit", end)
    with pytest.raises(SystemExit):
        siblings.leave(Failure("connection lost", 1, lost=True))
    assert capsys.readouterr().err.startswith(f"error: {FIRST_KILLED}")


@pytest.mark.usefixtures("later")
def test_a_process_that_is_asked_to_end_while_it_waits_for_that_says_nothing(monkeypatch, capsys):
    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(siblings, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=interrupted))
    siblings.leave(Failure("connection lost", 1, lost=True))
    assert capsys.readouterr().err == ""


def test_a_killed_loader_process_is_one_message(fit_words, tmp_path, capsys, monkeypatch):
    before = EmotionClassifier.training_step

    def kill_loaders(task, batch, index):
        for process in multiprocessing.active_children():
            os.kill(process.pid, signal.SIGKILL)
        return before(task, batch, index)

    monkeypatch.setattr(EmotionClassifier, "training_step", kill_loaders)
    words = [*fit_words, "--data.loader.workers", "1", "--data.loader.batch_size", "4"]
    words += ["--model.adapter", "gating"]  # which reads audio in every step
    assert main([*words, "--out", str(tmp_path / "run")]) == 1
    errors = capsys.readouterr().err
    assert errors.count("error: ") == 1
    assert "error: a process that loads audio" in errors
    assert "memory runs out. Use fewer workers" in errors
