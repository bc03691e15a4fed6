"""The answers to a running listening test, on disk before they are acknowledged. No torch.

A folder has two files: the log (`journal`), in which every change is an entry, and a database (`tables`) that
is made of it. One thread writes: it takes the changes that wait, adds them to the log, waits until the disk
has it, commits them to the database, and only then reports each as done. Whatever a crash leaves of that,
opening the store brings back to one state: the log is what counts.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import Timeout

from sercl.errors import OutputError, ResultsError, UsageError
from sercl.files import at_home, to_disk
from sercl.listening.serving.journal import Entry, Journal, chained, entries
from sercl.listening.serving.tables import WITHDRAW, apply, connect, connect_to_read, differences, head_of
from sercl.locks import locked

LOG, DATABASE = "log.jsonl", "answers.sqlite"
_MOST_AT_ONCE = 256
"""Changes that share one wait for the disk."""

Event = tuple[str, Mapping[str, Any]]
Change = Callable[[sqlite3.Connection], tuple[Sequence[Event], Any]]
"""Looks at the tables; returns what is to be written, and what is reported once it is on the disk."""


@dataclass
class _Job:
    change: Change
    then: Callable[[], None] | None = None
    done: "Future[Any]" = field(default_factory=Future)


class Store:
    """The answers in a folder, to which one process writes.

    Args:
        folder: Where they are; created if missing.

    Raises:
        OutputError: If another process writes there, or the folder cannot be written.
        ResultsError: If the log is damaged, or the database knows more than the log.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._lock()
        try:
            self._journal = Journal(folder / LOG)
            self._base = connect(folder / DATABASE)
            to_disk(folder)
            self._recover()
        except BaseException:
            self._stack.close()
            raise
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._broken: str | None = None
        self._thread = threading.Thread(target=self._work, name="answers", daemon=True)
        self._thread.start()

    def submit(self, change: Change, then: Callable[[], None] | None = None) -> "Future[Any]":
        """Have a change made; the future ends when it is on the disk, or with the error that prevented it.

        Args:
            change: The change.
            then: Called by the writing thread when the change is on the disk.
        """
        job = _Job(change, then)
        self._jobs.put(job)
        return job.done

    def write(self, change: Change) -> Any:
        """Make a change, and return what it reports, once it is on the disk."""
        return self.submit(change).result()

    def reader(self) -> sqlite3.Connection:
        """Return a connection that only reads."""
        return connect_to_read(self.folder / DATABASE)

    def withdraw(self, token: str) -> int:
        """Remove everything that is known of the person with a link; return how many entries that were.

        The entries stay in the log without their contents, so that its chain is complete.

        Raises:
            UsageError: If there is no such link.
        """
        gone: list[int] = []

        def change(base: sqlite3.Connection) -> tuple[Sequence[Event], int]:
            gone[:] = self._numbers(base, token)
            return [(WITHDRAW, {"entries": gone})], len(gone)

        return int(self.submit(change, lambda: self._erase(gone)).result())

    def close(self) -> None:
        """Finish what waits, and close the files."""
        self._jobs.put(None)
        self._thread.join()
        self._base.close()
        self._journal.close()
        self._stack.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            with suppress(OSError):  # reported by the lock
                # Answers are of people: a new folder is its owner's alone.
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._stack.enter_context(locked(self.folder))
        except OutputError as error:
            if not isinstance(error.__cause__, Timeout):
                raise
            raise OutputError(
                f"{self.folder}: this test is being served. Stop the server, or use the administrator's page."
            ) from error

    def _recover(self) -> None:
        number, head = head_of(self._base)
        withdrawn: set[int] = set()
        erased: set[int] = set()
        self._base.execute("BEGIN IMMEDIATE")
        for entry in entries(self._journal.path):
            if entry.number == number and entry.hash != head:
                raise ResultsError(self._journal.path, f"line {number}: is not what {DATABASE} was made of.")
            if entry.number > number:
                apply(self._base, entry)
            if entry.content is None:
                erased.add(entry.number)
            elif entry.kind == WITHDRAW:
                withdrawn |= set(entry.content["entries"])
        if number > self._journal.number:
            raise ResultsError(
                self._journal.path,
                f"ends at entry {self._journal.number}, but {DATABASE} was made of {number}: the end of the "
                "log is lost. Restore both from a backup.",
            )
        self._base.execute("COMMIT")
        if left := withdrawn - erased:
            self._journal.erase(left)

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            batch, ends = self._waiting(job)
            self._save(batch)
            if ends:
                return

    def _waiting(self, first: _Job) -> tuple[list[_Job], bool]:
        batch = [first]
        with suppress(queue.Empty):
            while len(batch) < _MOST_AT_ONCE:
                job = self._jobs.get_nowait()
                if job is None:
                    return batch, True
                batch.append(job)
        return batch, False

    def _save(self, batch: Sequence[_Job]) -> None:
        """Make changes together: all are on the disk, or none is."""
        if self._broken:
            return _fail(batch, OutputError(self._broken))
        before = self._journal.size, self._journal.number, self._journal.head
        try:
            self._base.execute("BEGIN IMMEDIATE")
            results, made = self._made(batch)
            self._journal.append(made)
            self._base.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            self._take_back(*before)
            return _fail(batch, _unsaved(self.folder, error))
        for job, result in results:
            _end(job, result)

    def _made(self, batch: Sequence[_Job]) -> tuple[list[tuple[_Job, Any]], list[Entry]]:
        results, made = [], []
        number, head = self._journal.number, self._journal.head
        for job in batch:
            self._base.execute("SAVEPOINT change")
            try:
                events, result = job.change(self._base)
                new = list(chained(events, number, head))
                for entry in new:
                    apply(self._base, entry)
            except (OSError, sqlite3.OperationalError):
                raise
            except Exception as error:
                self._base.execute("ROLLBACK TO change")
                job.done.set_exception(error)
                continue
            finally:
                self._base.execute("RELEASE change")
            made += new
            number, head = (new[-1].number, new[-1].hash) if new else (number, head)
            results.append((job, result))
        return results, made

    def _take_back(self, size: int, number: int, head: str) -> None:
        try:
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")
            self._journal.undo(size, number, head)
        except (OSError, sqlite3.Error) as error:
            self._broken = f"{self.folder}: the disk failed ({error}). Start the server again."

    def _numbers(self, base: sqlite3.Connection, token: str) -> list[int]:
        """Return the numbers of all entries of the person with a link."""
        row = base.execute("SELECT entry FROM links WHERE token = ?", (token,)).fetchone()
        if row is None:
            raise UsageError("there is no such link: its data was withdrawn before, or it never existed.")
        session = base.execute("SELECT session FROM sessions WHERE token = ?", (token,)).fetchone()
        return [row["entry"], *_entries_of(self._journal.path, session["session"] if session else None)]

    def _erase(self, numbers: Sequence[int]) -> None:
        """Remove contents from the log, and pages that were in use from the database's own log.

        If the process dies before, it is done when the store is opened again.
        """
        self._journal.erase(numbers)
        self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _entries_of(log: Path, session: str | None) -> list[int]:
    if session is None:
        return []
    return [
        entry.number for entry in entries(log) if entry.content and entry.content.get("session") == session
    ]


def _end(job: _Job, result: Any) -> None:
    try:
        if job.then:
            job.then()
    except Exception as error:  # what fails after the change is reported to who asked for it, not lost
        job.done.set_exception(error)
    else:
        job.done.set_result(result)


def _fail(batch: Sequence[_Job], error: Exception) -> None:
    for job in batch:
        if not job.done.done():
            job.done.set_exception(error)


def _unsaved(folder: Path, error: Exception) -> OutputError:
    return OutputError(
        f"{folder}: nothing was saved ({error}). Free some space there; answers are sent again."
    )


def verify(folder: Path) -> int:
    """Check the chain of a log, and that the database is what the log says; return the number of entries.

    A server may write meanwhile: the log is read up to the last entry that the database knows.

    Raises:
        ResultsError: If a file is missing or damaged, or they differ.
    """
    for name in (LOG, DATABASE):
        if not (folder / name).is_file():
            raise ResultsError(folder / name, "is missing. Give the folder of the answers of a test.")
    with closing(connect_to_read(folder / DATABASE)) as base:
        base.execute("BEGIN")
        number, head = head_of(base)
        read = list(entries(folder / LOG, number))
        if len(read) < number or (read and read[-1].hash != head):
            raise ResultsError(folder / LOG, f"is not what {DATABASE} was made of.")
        if names := differences(base, read):
            raise ResultsError(folder / DATABASE, f"differs from the log in {', '.join(names)}.")
    return number


def backup(folder: Path, out: Path) -> int:
    """Copy log and database into a new folder, also while a server writes them, and verify the copy.

    Returns:
        The number of entries.

    Raises:
        OutputError: If the folder has content, or cannot be written.
        ResultsError: If the answers are damaged.
    """
    target = at_home(out)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputError(f"{target}: has content. Give a new folder as --out.")
    for name in (LOG, DATABASE):
        if not (folder / name).is_file():
            raise ResultsError(folder / name, "is missing. Give the folder of the answers of a test.")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        closing(connect_to_read(folder / DATABASE)) as base,
        closing(sqlite3.connect(target / DATABASE)) as copy,
    ):
        base.backup(copy)
    with closing(connect_to_read(target / DATABASE)) as base:
        number, _ = head_of(base)
    _copy_log(folder / LOG, target / LOG, number)
    for path in (target / LOG, target / DATABASE, target):
        to_disk(path)
    return verify(target)


def _copy_log(source: Path, target: Path, most: int) -> None:
    with source.open("rb") as log, target.open("wb") as copy:
        for _, line in zip(range(most), log, strict=False):
            copy.write(line)
