"""Run a command in a forked process, disturb it, run it again, and compare its result with a whole run's."""

import contextlib
import importlib
import io
import json
import os
import random
import re
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from sercl.cli.main import main
from sercl.locks import NAME as LOCK
from tests.faults.disk import BROKEN, FULL, Disk, Fault

LIMIT = 200.0
"""Seconds after which a process is taken to hang."""
_PACKAGES = {
    "sercl", "torch", "lightning", "transformers", "peft", "pandas", "pyarrow", "scipy", "matplotlib",
    "jinja2", "msgspec", "soundfile", "torchmetrics", "tensorboard", "jsonargparse", "rich", "safetensors",
    "statsmodels",
}  # fmt: skip
SIGNALS = {"kill -9": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}
"""Name -> signal that a process gets at a random moment."""
_TIMES = re.compile("seconds|created")
"""Keys of JSON files with times, or hashes of what holds times."""
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


def forked(
    words: Sequence[str],
    folder: Path,
    fault: Fault | None = None,
    after: float | None = None,
    prepare: Callable[[], None] = lambda: None,
    number: int = signal.SIGKILL,
) -> Ended:
    """Run the command line in a forked process in a folder.

    Args:
        words: The command line.
        folder: Its working folder; what it prints goes beside it.
        fault: What happens to it at a call that changes a file.
        after: Seconds after which it gets a signal.
        prepare: Called in it before the command.
        number: The signal.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log, told = folder.with_name(f"{folder.name}.log"), folder.with_name(f"{folder.name}.calls")
    told.unlink(missing_ok=True)
    log.write_bytes(b"")
    begin, child = time.monotonic(), os.fork()
    if child == 0:
        _run(words, folder, fault, log, told, prepare)
    code = _waited(child, begin, after, number)
    calls, *modules = told.read_text().split() if told.is_file() else ["0"]
    for name in modules:
        if name not in sys.modules and name.partition(".")[0] in _PACKAGES:
            with contextlib.suppress(Exception):
                importlib.import_module(name)  # so that the next process need not
    return Ended(code, log.read_text(errors="replace"), int(calls), time.monotonic() - begin)


def _waited(child: int, begin: float, after: float | None, number: int) -> int:
    sent = False
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        passed = time.monotonic() - begin
        if after is not None and not sent and passed >= after:
            os.kill(child, number)
            sent = True
        if passed > LIMIT:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.005)


def _run(
    words: Sequence[str],
    folder: Path,
    fault: Fault | None,
    log: Path,
    told: Path,
    prepare: Callable[[], None],
) -> None:
    code = 99
    try:
        torch.set_num_threads(1)  # a forked process must not use the threads of its parent
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        for number in (1, 2):
            os.dup2(output, number)
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(os.fdopen(fd, "wb", 0), write_through=True) for fd in (1, 2)
        )
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(folder)
        prepare()
        disk = Disk(folder, fault)
        disk.install()
        code = main(list(words))
        calls = disk.calls
        told.write_text(" ".join([str(calls), *(sys.modules if fault is None else ())]))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)  # nothing of the parent's may run twice


class Bench:
    """A command in a folder of its own, with the result of a whole run.

    Args:
        command: The command.
        folder: A new folder.

    Attributes:
        whole: How the whole run ended, with its calls and seconds.
    """

    def __init__(self, command: Command, folder: Path) -> None:
        self._command, self._folder = command, folder
        forked(command.words, folder / "first")  # imports what it needs
        self.whole = forked(command.words, folder / "whole")
        if self.whole.code:
            raise RuntimeError(f"{command.words[0]}: the whole run failed:\n{self.whole.said}")
        shutil.rmtree(folder / "first")

    def sample(self, kind: str, most: int | None, draw: random.Random) -> list[Fault]:
        """Return faults of a kind at a number of calls that are spread over all, or at each of them."""
        calls = self.whole.calls
        if most is None or most >= calls:
            return [Fault(kind, call) for call in range(1, calls + 1)]
        edges = [1 + calls * number // most for number in range(most + 1)]
        return [Fault(kind, draw.randrange(first, last)) for first, last in pairwise(edges)]

    def after(self, fault: Fault) -> str | None:
        """Disturb the command, run it again to its end, and return what is wrong; None if nothing is."""
        folder = self._new_folder()
        ended = forked(self._command.words, folder, fault)
        return _misbehaviour(ended, fault.kind) or self._unrecovered(folder)

    def after_signals(self, number: int, draw: random.Random, most: int = 3) -> str | None:
        """Send a signal at random moments, up to `most` times, and return what is wrong in the end."""
        folder = self._new_folder()
        words = list(self._command.words)
        for _ in range(draw.randint(1, most)):
            ended = forked(words, folder, after=draw.uniform(0.05, self.whole.seconds), number=number)
            if wrong := _untidy(ended, number):
                return wrong
            words = self._command.again(folder)
            if ended.code == 0:
                break
        return self._unrecovered(folder)

    def _new_folder(self) -> Path:
        folder = self._folder / "try"
        shutil.rmtree(folder, ignore_errors=True)
        return folder

    def _unrecovered(self, folder: Path) -> str | None:
        """Run a disturbed command to its end, and return what is wrong with its result."""
        ended = forked(self._command.again(folder), folder)
        if ended.code:
            return f"then exit code {ended.code}: {ended.said[-900:]}"
        return self._difference(folder) or _leftovers(folder)

    def _difference(self, folder: Path) -> str | None:
        whole, found = (contents(each, self._command.result) for each in (self._folder / "whole", folder))
        if whole.keys() != found.keys():
            return f"lacks {sorted(whole.keys() - found.keys())}, has {sorted(found.keys() - whole.keys())}"
        wrong = [name for name in whole if not _equal(whole[name], found[name])]
        return f"{', '.join(wrong[:5])} differ" if wrong else None


def _misbehaviour(ended: Ended, kind: str) -> str | None:
    """Return what is wrong with how a disturbed process has ended."""
    if ended.code in (-signal.SIGKILL, 0):  # 0: it could do without that call, or did not make it
        return None
    if kind not in (FULL, BROKEN) or ended.code != 1:
        return f"exit code {ended.code}: {ended.said[-900:]}"
    told = ended.said.count("error: ") + ended.said.count("Failed: ")  # a study names each training
    if told != 1 or re.search("defect|Traceback", ended.said):
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
