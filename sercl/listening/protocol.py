"""The protocol of a listening test: what is heard, asked and known, with a hash of everything. No torch."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sercl.corpora.base import Segment
from sercl.errors import ResultsError
from sercl.files import is_below, is_file, write_text
from sercl.json_text import json_text, plain
from sercl.studies.results.records import read_record

PROTOCOL, AUDIO, TEXTS, REPORT = "protocol.json", "audio", "instructions", "report.json"
"""What a test folder has: the protocol, stimuli, instructions, and how they were chosen."""

VERSION = 1
CHOICE, SEGMENTS = TASKS = ("choice", "segments")
ITEM, PRACTICE, ATTENTION, REPEAT = KINDS = ("item", "practice", "attention", "repeat")
OTHER, UNSURE = EXTRA_ANSWERS = ("other", "unsure")
"""Answers besides the emotions."""

_ADVICE = "Build the test again: sercl listen build."


@dataclass(frozen=True)
class Item:
    """One stimulus.

    Attributes:
        key: Its name for listeners and in their answers, which says nothing about it.
        file: Its audio, relative to the test folder.
        digest: SHA-256 of that file.
        utterance: Id in its corpus; of a clip that was built for the test, a name of its own.
        corpus: Name of the corpus.
        language: ISO 639-1 code, "und" where unknown.
        speaker: "corpus speaker", None where unknown.
        gender: Of the speaker, None where unknown.
        dialect: None where unknown or standard.
        truth: Class of the utterance. Of an attention check, the answer that the page asks for.
        task: "choice", or "segments", of which the listener marks start and end.
        seconds: Duration.
        kind: "item"; "practice" (asked first, not analysed); "attention" (the page says what to answer); or
            "repeat" (an item of the same block that is asked again).
        block: Name of its block.
        repeats: Of a repeat, the key of the item that has the same audio.
        segments: Reference segments of the whole file in s, neutral ones included, named by class; None where
            the boundaries are unknown, or not asked for.
        pieces: Of a clip built for the test, the utterances that it consists of.
    """

    key: str
    file: str
    digest: str
    utterance: str
    corpus: str
    language: str
    speaker: str | None
    gender: str | None
    dialect: str | None
    truth: str | None
    task: str
    seconds: float
    kind: str
    block: str
    repeats: str | None = None
    segments: tuple[Segment, ...] | None = None
    pieces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """Stimuli of one language and dialect that are heard together.

    Attributes:
        name: Its name for listeners and in their answers.
        language: ISO 639-1 code.
        dialect: None where unknown or standard.
    """

    name: str
    language: str
    dialect: str | None


@dataclass(frozen=True)
class Order:
    """How the order of each listener is made; see `sercl.listening.order`.

    Attributes:
        method: "random" or "latin-square".
        seed: Makes it, with the listener's number.
    """

    method: str
    seed: int


@dataclass(frozen=True)
class Protocol:
    """A listening test.

    Attributes:
        title: Its name for listeners; None for the one in the instructions, in each language.
        languages: Code of each language of the instructions -> SHA-256 of its file.
        answers: The classes, in order, and "other" and "unsure", if they are offered.
        confidence: Whether listeners say how sure they are.
        items: All stimuli, sorted by key.
        blocks: The blocks, without that of the practice items.
        order: How the order of each listener is made.
        seed: Made every choice.
        preprocess: What was done to the audio, with the level reached (LUFS or dBFS) and its peak (dBTP).
        source: Where the stimuli are from, and how they were chosen.
        version: Of this format.
        hash: SHA-256 of everything else, audio and instructions included.
    """

    title: str | None
    languages: Mapping[str, str]
    answers: tuple[str, ...]
    confidence: bool
    items: tuple[Item, ...]
    blocks: tuple[Block, ...]
    order: Order
    seed: int
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    version: int = VERSION
    hash: str = ""

    @cached_property
    def by_key(self) -> Mapping[str, Item]:
        """Key -> item."""
        return {item.key: item for item in self.items}

    @property
    def tasks(self) -> frozenset[str]:
        """The tasks of the items, without attention checks."""
        return frozenset(item.task for item in self.items if item.kind != ATTENTION)

    def of(self, kind: str, block: str | None = None) -> tuple[Item, ...]:
        """Return the items of a kind, of one block or of all."""
        return tuple(item for item in self.items if item.kind == kind and block in (None, item.block))

    def sealed(self) -> "Protocol":
        """Return the protocol with the hash of its content."""
        return replace(self, hash=content_hash(self))


def content_hash(protocol: Protocol) -> str:
    """Return the SHA-256 of everything in a protocol but its hash, as JSON with sorted keys."""
    content = {name: value for name, value in plain(asdict(protocol)).items() if name != "hash"}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(protocol: Protocol, folder: Path) -> Protocol:
    """Seal a protocol, write it into its test folder, and return it."""
    done = protocol.sealed()
    write_text(folder / PROTOCOL, json_text(asdict(done), indent=2) + "\n")
    return done


def read(folder: Path) -> Protocol:
    """Read the protocol of a test.

    Args:
        folder: Its folder, or the file.

    Raises:
        ResultsError: If it is missing, broken, of another version, or was changed after it was written.
    """
    path = folder if folder.is_file() else folder / PROTOCOL
    if not path.exists():
        raise ResultsError(path, "no such file. Give the --out of a `sercl listen build`.")
    protocol = read_record(path, Protocol, _ADVICE)
    if protocol.version != VERSION:
        raise ResultsError(path, f"is of version {protocol.version}; valid: {VERSION}. {_ADVICE}")
    if protocol.hash != content_hash(protocol):
        raise ResultsError(path, f"was changed after it was written: its hash is another one. {_ADVICE}")
    for file in (*(item.file for item in protocol.items), *map(_text_name, protocol.languages)):
        if not is_below(folder, file):
            raise ResultsError(path, f"names {file[:80]!r}, which is not in the test's folder. {_ADVICE}")
    return protocol


def verify(folder: Path) -> Protocol:
    """Read the protocol of a test folder, and check that no stimulus and no instruction has changed.

    Raises:
        ResultsError: As `read`; also for a file that is missing or was changed.
    """
    protocol = read(folder)
    for path, digest in _files(protocol, folder):
        if not is_file(path):
            raise ResultsError(path, f"is missing. {_ADVICE}")
        if file_hash(path) != digest:
            raise ResultsError(path, f"was changed after the test was built. Restore it. {_ADVICE}")
    return protocol


def _files(protocol: Protocol, folder: Path) -> Iterator[tuple[Path, str]]:
    yield from ((folder / item.file, item.digest) for item in protocol.items)
    yield from ((text_file(folder, code), digest) for code, digest in protocol.languages.items())


def text_file(folder: Path, code: str) -> Path:
    """Return the file of the instructions in one language."""
    return folder / _text_name(code)


def _text_name(code: str) -> str:
    return f"{TEXTS}/{code}.yaml"
