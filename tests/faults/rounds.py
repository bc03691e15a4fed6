"""Inject faults into a command, run it again, and compare its result with that of a whole run."""

import contextlib
import ctypes
import faulthandler
import hashlib
import importlib
import io
import itertools
import json
import os
import random
import re
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import torch

from sercl.cli.main import main
from sercl.locks import NAME as LOCK
from tests.faults.disk import BROKEN, FULL, KILL, POWER, Disk, Fault, Pauses

LIMIT = 200.0
"""Seconds after which a process is taken to hang: it gets SIGABRT, and prints where its threads are."""
GRACE = 60.0
"""Seconds that it has for that."""
HUNG = 124
"""Exit code of a process that was killed for that, as of `timeout`."""
RUNNING, STOPPED, ENDED = "running", "stopped", "ended"
"""States of a process."""
_NUMBERS = itertools.count()
_PACKAGES = {
    "sercl", "torch", "lightning", "transformers", "peft", "pandas", "pyarrow", "scipy", "matplotlib",
    "jinja2", "msgspec", "soundfile", "torchmetrics", "tensorboard", "jsonargparse", "rich", "safetensors",
    "statsmodels",
}  # fmt: skip
SIGNALS = {"kill -9": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}
"""Name -> signal that a process gets at a random moment."""
MOMENTS = "kill -9 at moments of a run"
_TIMES = re.compile("seconds|created")
"""Keys of JSON files with times, or hashes of what holds times."""
_REASON = re.compile(r"^(?:error|Failed: .*?): (\w+Error: )?(.*?)(?: Log: .*)?$", re.MULTILINE)
"""Why a command has failed; a study says it of each training."""
_WHEN = re.compile(rb"^\* Run(time)?: .*$", re.MULTILINE)
_UNEQUAL = ("logs", ".lock", "ended.json", "log.txt")
"""Files and folders that may differ: they say when, and how often, a command was run."""

_DATED = (".html", ".pdf", ".png", ".svg")
"""Suffixes of files with the date, of which only the end is compared: they are made of the others."""


@dataclass(frozen=True)
class Command:
    """A command under test.

    Attributes:
        words: Its command line; everything that it writes is below the working folder.
        result: The files and folders that hold its result.
        resumes: Whether `--resume` continues it; else the same command does.
    """

    words: tuple[str, ...]
    result: tuple[str, ...] = ("out",)
    resumes: bool = False

    def again(self, folder: Path) -> list[str]:
        """Return the command line that continues it in a folder."""
        begun = self.resumes and (folder / "out" / "config.yaml").is_file()
        return [*self.words, *(["--resume"] if begun else [])]


@dataclass(frozen=True)
class Ended:
    """How a process ended: exit code, negative for a signal; what it printed; calls that changed files."""

    code: int
    said: str
    calls: int
    seconds: float


class Process:
    """A command in a forked process, which saves its imports.

    Args:
        words: The command line.
        folder: Its working folder; its log goes beside it.
        fault: An error of the disk at a call that changes a file.
        pauses: The calls at which it stops itself.
        prepare: Called in it before the command.

    Attributes:
        seconds: For how long it has run, without the time for which it was stopped.
    """

    def __init__(
        self,
        words: Sequence[str],
        folder: Path,
        fault: Fault | None = None,
        pauses: Pauses | None = None,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.seconds = 0.0
        self._code: int | None = None
        self._hung = False
        number = next(_NUMBERS)
        self._log, self._told = (folder.with_name(f"{number}.{suffix}") for suffix in ("log", "calls"))
        # An interrupt must not come before the child can end with it, or it goes on as a second parent.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self._child = os.fork()
        if self._child == 0:
            _run(words, folder, Disk(folder, fault, pauses), self._log, self._told, prepare)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def wait(self, seconds: float | None = None) -> str:
        """Wait until it ends or stops; return `ENDED`, `STOPPED`, or `RUNNING` after so many seconds."""
        try:
            return self._waited(seconds)
        except BaseException:  # such as Ctrl-C, which does not reach it
            self.send(signal.SIGKILL)
            raise

    def _waited(self, seconds: float | None) -> str:
        begin = time.monotonic()
        while self._code is None:
            done, status = os.waitpid(self._child, os.WNOHANG | os.WUNTRACED)
            passed = time.monotonic() - begin
            state = RUNNING if not done else STOPPED if os.WIFSTOPPED(status) else ENDED
            if state == RUNNING and passed > LIMIT + (GRACE if self._hung else 0):
                self.send(signal.SIGKILL if self._hung else signal.SIGABRT)
                self._hung = True
            elif state != RUNNING or (seconds is not None and passed >= seconds):
                self.seconds += passed
                self._code = os.waitstatus_to_exitcode(status) if state == ENDED else None
                return state
            time.sleep(0.002)
        return ENDED

    def send(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self._code is None:
            os.kill(self._child, number)

    def ended(self) -> Ended:
        """Wait until it ends, and import what it has imported, so that the next process need not."""
        while self.wait() == STOPPED:
            self.send(signal.SIGCONT)
        calls, *modules = self._told.read_text().split() if self._told.is_file() else ["0"]
        for name in modules:
            if name not in sys.modules and name.partition(".")[0] in _PACKAGES:
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
        said = self._log.read_text(errors="replace") if self._log.is_file() else ""
        for file in (self._log, self._told):
            file.unlink(missing_ok=True)
        code = HUNG if self._hung else cast(int, self._code)
        return Ended(code, said, int(calls), self.seconds)


def forked(
    words: Sequence[str],
    folder: Path,
    fault: Fault | None = None,
    after: float | None = None,
    prepare: Callable[[], None] = lambda: None,
    number: int = signal.SIGKILL,
) -> Ended:
    """Run a command line to its end in a forked process; arguments as of `Process`.

    Args:
        after: Seconds after which it gets a signal.
        number: The signal.
    """
    process = Process(words, folder, fault, prepare=prepare)
    if after is not None and process.wait(after) == RUNNING:
        process.send(number)
    return process.ended()


def _die_with_parent() -> None:
    """Have the system kill this process when its parent ends: a stopped one would stay."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _run(
    words: Sequence[str],
    folder: Path,
    disk: Disk,
    log: Path,
    told: Path,
    prepare: Callable[[], None],
) -> None:
    code = 99
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        for number in (1, 2):
            os.dup2(output, number)
        faulthandler.disable()  # so that its handlers are set again: libraries such as Ray set their own
        faulthandler.enable(2)
        torch.set_num_threads(1)  # a forked process must not use the threads of its parent
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(os.fdopen(fd, "wb", 0), write_through=True) for fd in (1, 2)
        )
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # an interrupt before the command begins is not its own
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        _die_with_parent()
        os.setsid()  # when another process of its group ends, the system may continue a stopped one
        os.chdir(folder)
        prepare()
        disk.install()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = main(list(words))
        told.write_text(" ".join([str(disk.calls), *sys.modules]))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # nothing of the parent's may run twice


@dataclass(frozen=True)
class Round:
    """One injected fault.

    Attributes:
        kind: Its kind.
        at: The call, or the second, at which it came; of several signals, the last.
        lost: What was wrong with the result after recovery, or with how the command ended; None if nothing.
        state: Which state the folder was in when the command was run again, where that was compared: two
            rounds with the same state were recovered once.
    """

    kind: str
    at: float
    lost: str | None
    state: str


class Harness:
    """A command, the result of a whole run of it, and what is left of that result after faults.

    A kill leaves the folder as it is at that moment. So the process is only stopped: its folder is set aside,
    the command recovers in a copy with the same name, and the process goes on to the next moment. One run
    serves for all moments. A state of the folder that was recovered before is not recovered again.

    Args:
        command: The command.
        folder: A new folder.

    Attributes:
        whole: How the whole run ended, with its calls and seconds.
    """

    def __init__(self, command: Command, folder: Path) -> None:
        self._command, self._folder = command, folder / "run"
        self._recovered: dict[str, str | None] = {}
        forked(command.words, folder / "first")  # imports what it needs
        self.whole = forked(command.words, folder / "whole")
        if self.whole.code:
            raise RuntimeError(f"{command.words[0]}: the whole run failed:\n{self.whole.said}")
        self._result = contents(folder / "whole", command.result)
        shutil.rmtree(folder / "first")

    def sample(self, most: int | None, draw: random.Random) -> list[int]:
        """Return so many calls, spread over all, or every one of them."""
        calls = self.whole.calls
        if most is None or most >= calls:
            return list(range(1, calls + 1))
        edges = [1 + calls * number // most for number in range(most + 1)]
        return [draw.randrange(first, last) for first, last in pairwise(edges)]

    def crashes(self, calls: Sequence[int], kinds: Sequence[str] = (KILL, POWER)) -> Iterator[Round]:
        """Kill the command, or cut the power, at each of some calls."""
        told = self._folder.with_name("unsynced")
        process = Process(self._command.words, self._new(), pauses=Pauses(frozenset(calls), told))
        missing = set(calls)
        while process.wait() == STOPPED:
            number, *unsynced = json.loads(told.read_text())
            missing.discard(number)
            for kind in kinds:
                yield Round(kind, number, *self._recover_copy(unsynced if kind == POWER else ()))
            process.send(signal.SIGCONT)
        if wrong := self._changed_by_stopping(process, missing):
            yield Round("stopped only", self.whole.calls, wrong, "")

    def kills(self, count: int, draw: random.Random) -> Iterator[Round]:
        """Kill the command at random moments of one run; the process itself only at the last of them."""
        moments = sorted(draw.uniform(0, self.whole.seconds) for _ in range(count))
        process = Process(self._command.words, self._new())
        for moment in moments[:-1]:
            if process.wait(max(0.0, moment - process.seconds)) == RUNNING:
                process.send(signal.SIGSTOP)
                process.wait()
            yield Round(MOMENTS, moment, *self._recover_copy())
            process.send(signal.SIGCONT)
        process.wait(max(0.0, moments[-1] - process.seconds))
        process.send(signal.SIGKILL)
        process.ended()
        yield Round(MOMENTS, moments[-1], self._loss(), "")

    def errors(self, kind: str, calls: Sequence[int]) -> Iterator[Round]:
        """Let each of some calls fail, and run the command again."""
        for call in calls:
            ended = forked(self._command.words, self._new(), Fault(kind, call))
            yield Round(kind, call, _misbehaviour(ended, kind) or self._loss(), "")

    def signals(self, name: str, count: int, draw: random.Random, most: int = 3) -> Iterator[Round]:
        """Send a signal (a key of `SIGNALS`) at random moments, in each round up to `most` times in a row."""
        for _ in range(count):
            folder, words = self._new(), list(self._command.words)
            for _ in range(draw.randint(1, most)):
                moment = draw.uniform(0.0, self.whole.seconds)
                ended = forked(words, folder, after=moment, number=SIGNALS[name])
                wrong = _untidy(ended, SIGNALS[name])
                words = self._command.again(folder)
                if wrong or ended.code == 0:
                    break
            yield Round(f"{name} at random", moment, wrong or self._loss(), "")

    def _new(self) -> Path:
        shutil.rmtree(self._folder, ignore_errors=True)
        return self._folder

    def _recover_copy(self, unsynced: Sequence[str] = ()) -> tuple[str | None, str]:
        """Recover in a copy of the folder of a stopped process; return what is lost, and the copy's state.

        Args:
            unsynced: Files that are empty in the copy.
        """
        held = self._folder.with_name("held")
        self._folder.rename(held)
        shutil.copytree(held, self._folder, symlinks=True)
        for name in unsynced:
            os.truncate(self._folder / name, 0)
        state = _state(self._folder)
        if state not in self._recovered:
            self._recovered[state] = self._loss()
        self._new()
        held.rename(self._folder)
        return self._recovered[state], state

    def _changed_by_stopping(self, process: Process, missing: Set[int]) -> str | None:
        """Return what is wrong with a run that was only stopped."""
        ended = process.ended()
        if ended.code:
            return ended.said[-900:]
        return f"made no calls {sorted(missing)}" if missing else self._difference()

    def _loss(self) -> str | None:
        """Run the command to its end after a fault, and return what is wrong with its result."""
        ended = forked(self._command.again(self._folder), self._folder)
        if ended.code:
            return f"then exit code {ended.code}: {ended.said[-900:]}"
        return self._difference() or _leftovers(self._folder)

    def _difference(self) -> str | None:
        whole, found = self._result, contents(self._folder, self._command.result)
        if whole.keys() != found.keys():
            return f"lacks {sorted(whole.keys() - found.keys())}, has {sorted(found.keys() - whole.keys())}"
        wrong = [name for name in whole if not _equal(whole[name], found[name])]
        return f"{', '.join(wrong[:5])} differ" if wrong else None


def _state(folder: Path) -> str:
    """Return a hash of the names and contents of everything in a folder."""
    found = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.rglob("*")):
        content = b"" if path.is_dir() else path.read_bytes()
        found.update(f"{path.relative_to(folder)}\0{path.is_dir()}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def _misbehaviour(ended: Ended, kind: str) -> str | None:
    """Return what is wrong with how a process has ended in which a fault was injected."""
    if ended.code in (-signal.SIGKILL, 0):  # 0: it could do without that call, or did not make it
        return None
    if kind not in (FULL, BROKEN) or ended.code != 1:
        return f"exit code {ended.code}: {ended.said[-900:]}"
    if len(set(_REASON.findall(ended.said))) != 1 or re.search("defect|Traceback", ended.said):
        return f"not one clear message: {ended.said[-1500:]}"
    return None


def _untidy(ended: Ended, number: int) -> str | None:
    """Return what is wrong with how a process has ended that got a signal, at any moment of its life."""
    if ended.code in (0, -number):  # before, or after, it can do more than end
        return None
    if ended.code != 128 + number or ended.said.count("error: stopped by") != 1 or "Traceback" in ended.said:
        return f"exit code {ended.code} after signal {number}: {ended.said[-900:]}"
    return None


def _leftovers(folder: Path) -> str | None:
    left = [str(path.relative_to(folder)) for path in folder.rglob(".*") if path.name != LOCK]
    return f"left behind: {', '.join(left)}" if left else None


def contents(folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return file -> content of a result, without times."""
    found = {}
    for name in names:
        top = folder / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            within = path.relative_to(folder)
            if path.is_file() and not set(within.parts) & set(_UNEQUAL):
                found[str(within)] = _content(path, folder)
    return found


def _content(path: Path, folder: Path) -> Any:
    if path.suffix == ".ckpt":
        return torch.load(path, weights_only=True)["state_dict"]
    if path.suffix in _DATED:
        return path.read_bytes()[-8:]
    content = path.read_bytes().replace(str(folder).encode(), b"FOLDER").replace(b" --resume", b"")
    content = _WHEN.sub(b"", content) if path.suffix == ".md" else content
    return _timeless(json.loads(content)) if path.suffix == ".json" else content


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(own) for key, own in value.items() if not _TIMES.search(key)}
    return [_timeless(own) for own in value] if isinstance(value, list) else value


def _equal(one: Any, two: Any) -> bool:
    if isinstance(one, dict) and any(isinstance(value, torch.Tensor) for value in one.values()):
        return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
    return bool(one == two)
