"""Open a test folder for listeners: check everything, then serve it. No torch."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sercl.errors import MissingExtraError, OutputError, UsageError
from sercl.files import at_home
from sercl.listening import instructions, protocol
from sercl.listening.monitoring import MonitorOptions
from sercl.listening.serving import questionnaire, sessions, texts
from sercl.listening.serving.limits import Limit
from sercl.listening.serving.sessions import Rules
from sercl.listening.serving.store import Store

if TYPE_CHECKING:
    from sercl.listening.serving.app import Server

ANSWERS = "answers"
"""Folder of the answers, in that of the test."""

ADMIN = "admin-token"
"""File with the administrator's token, in the folder of the answers."""


@dataclass(frozen=True)
class ServeOptions:
    """How a listening test is served.

    Args:
        host: Address to listen on; 0.0.0.0 for all of this machine.
        port: Port to listen on.
        url: Address of the test for participants, if it is behind a reverse proxy, such as https://lab.org/test.
        links: Links, each for one person, that there are at least; the administrator's page makes more.
        open_places: People who may take part by one open link; 0 for no such link.
        answers: Folder of the answers, by default "answers" in that of the test.
        questionnaire: File with the questions about the listener, by default sercl's; none for no questions.
        texts: Folder with the texts of the pages in further languages.
        headphones: Whether sessions begin with a test of headphones.
        days: A session that began longer ago cannot go on.
        monitor: When to stop, for the administrator's page.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    url: str | None = None
    links: int = 0
    open_places: int = 0
    answers: str | None = None
    questionnaire: str | None = None
    texts: str | None = None
    headphones: bool = False
    days: float = 30.0
    monitor: MonitorOptions = field(default_factory=MonitorOptions)

    def __post_init__(self) -> None:
        for name in ("links", "open_places"):
            if getattr(self, name) < 0:
                raise UsageError(f"--{name}: must be 0 or more.")
        if not 0 < self.port < 65536:
            raise UsageError("--port: must be from 1 to 65535.")
        if not self.days > 0:
            raise UsageError("--days: must be more than 0.")
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise UsageError("--url: must begin with http:// or https://.")

    @property
    def address(self) -> str:
        """The address for participants, without a slash at its end."""
        return (self.url or f"http://{self.host}:{self.port}").rstrip("/")


@dataclass(frozen=True)
class Links:
    """Addresses of a test.

    Attributes:
        admin: Of the administrator's page.
        participants: Each for one person.
        open: For everyone, up to a number; None if there is none.
    """

    admin: str
    participants: tuple[str, ...]
    open: str | None


def answers_folder(test: Path, given: str | None) -> Path:
    """Return the folder of the answers to a test."""
    return test / ANSWERS if given is None else Path(at_home(given))


@contextmanager
def opened(test: Path, options: ServeOptions) -> Iterator["Server"]:
    """Check a test folder, open its answers, and yield what the application works with.

    Raises:
        MissingExtraError: If FastAPI is not installed.
        OutputError: If another process serves the test, or the folder cannot be written.
        ResultsError: If the test or its answers are damaged.
        UsageError: For texts or questions that do not fit.
    """
    try:
        from sercl.listening.serving.app import Server
    except ImportError as error:
        raise MissingExtraError(str(error.name), "listen", "serving a listening test") from error
    served = protocol.verify(test)
    spoken = instructions.of_test(served, test)
    pages = texts.load(spoken, None if options.texts is None else Path(at_home(options.texts)))
    rules = Rules(served, _questions(options, list(spoken)), options.headphones, options.days)
    folder = answers_folder(test, options.answers)
    with Store(folder) as store:
        server = Server(
            test, rules, store, spoken, pages, _admin_token(folder), Limit(20.0, 100.0), Limit(20.0, 300.0),
            options.monitor,
        )  # fmt: skip
        try:
            _make_links(server, options)
            yield server
        finally:
            server.base.close()


def links_of(server: "Server", address: str) -> Links:
    """Return the addresses of a test below an address."""
    rows = server.base.execute("SELECT token FROM links WHERE NOT is_open ORDER BY entry")
    shared = sessions.open_link(server.base)
    return Links(
        f"{address}/admin/#{server.admin}",
        tuple(f"{address}/t/{row['token']}/" for row in rows),
        f"{address}/open/{shared['token']}/" if shared and shared["cap"] else None,
    )


def _questions(options: ServeOptions, languages: list[str]) -> tuple[questionnaire.Question, ...]:
    if options.questionnaire == "none":
        return ()
    path = questionnaire.PACKAGED if options.questionnaire is None else Path(at_home(options.questionnaire))
    return questionnaire.load(path, languages)


def _make_links(server: "Server", options: ServeOptions) -> None:
    there = server.base.execute("SELECT count(*) FROM links WHERE NOT is_open").fetchone()[0]
    if there < options.links:
        server.store.write(sessions.add_links(options.links - there))
    if options.open_places or sessions.open_link(server.base):
        server.store.write(sessions.set_open_link(options.open_places))


def _admin_token(folder: Path) -> str:
    """Return the administrator's token, which only the owner of the file can read."""
    path = folder / ADMIN
    try:
        if path.is_file() and (token := path.read_text(encoding="utf-8").strip()):
            return token
        token = secrets.token_urlsafe(24)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(token + "\n")
    except OSError as error:
        raise OutputError(f"{path}: cannot be read or written ({error.strerror}).") from error
    return token
