"""What is known of the items of a listening test: from its `protocol.json`, or a table of utterances."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from sercl.corpora.cells import key_of, word_of
from sercl.corpora.emotion_names import to_emotion
from sercl.corpora.languages import to_language
from sercl.corpora.tables import SUFFIXES, read_rows
from sercl.documents import read_json
from sercl.errors import DocumentError, RatingsError, UnknownNameError, UsageError

_FACTS = ("corpus", "language", "dialect", "speaker", "gender")
_NAMES = ("utterance", "item", "id")
_TRUTHS = ("truth", "emotion", "label")
_AUDIO = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a")


@dataclass(frozen=True)
class Item:
    """One item.

    Attributes:
        facts: Columns of a ratings table: item (the utterance), corpus, language, dialect, speaker, gender,
            truth, task, kind and block, as far as known.
    """

    facts: Mapping[str, str]


@dataclass(frozen=True)
class Items:
    """The items of a test, found by any of their names.

    Attributes:
        path: The file they are from; None if nothing is known of items.
        by_name: Name as results write it -> item; None for a name that several items have.
        protocol: Hash of the protocol, if they are from one.
        answers: The answers that its listeners could choose from, if known.
    """

    path: Path | None = None
    by_name: Mapping[str, Item | None] = field(default_factory=dict)
    protocol: str | None = None
    answers: tuple[str, ...] = ()

    def find(self, name: str) -> Item:
        """Return the item of a name: as in the file, or without folder and suffix.

        Raises:
            UsageError: For a name that no item has, or several; short, since a file may have many.
        """
        if self.path is None:
            return Item({"item": stem_of(name)})
        keys = [key for key in (key_of(name), key_of(stem_of(name))) if key in self.by_name]
        if not keys:
            raise UsageError(f"item {name!r} is not in {self.path.name}")
        found = self.by_name[keys[0]]
        if found is None:
            raise UsageError(f"item {name!r} is the name of several items in {self.path.name}")
        return found


def stem_of(name: str) -> str:
    """Return the name of an item without folders and the suffix of an audio file."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.stem if path.suffix.lower() in _AUDIO else path.name


def read_items(path: Path) -> Items:
    """Read items from a `protocol.json`, or a table (CSV, TSV, JSONL, Parquet), such as a manifest.

    A table has the columns `utterance` (or `item`, `id`) and, as far as known, `emotion` (or `truth`),
    `corpus`, `language`, `dialect`, `speaker`, `gender`, `kind` and `path`.

    Raises:
        RatingsError: For a file that is neither.
    """
    if path.suffix.lower() == ".json":
        return _of_protocol(path)
    if path.suffix.lower() not in SUFFIXES:
        raise UnknownNameError("format of items", path.suffix, (".json", *SUFFIXES), "The suffix decides.")
    pairs = []
    for row in read_rows(path, _NAMES):
        cells = {key_of(name): word_of(cell) for name, cell in row.cells.items()}
        names = [value for key in (*_NAMES, "path", "file") if (value := cells.get(key))]
        if not names:
            raise RatingsError(
                path, row.line, f"has no name: one of the columns {', '.join(_NAMES)} is needed."
            )
        pairs.append((names, _item(path, row.line, {**cells, "item": names[0]})))
    return Items(path, _by_name(pairs))


def _of_protocol(path: Path) -> Items:
    try:
        content = read_json(path)
        pairs = [
            ([str(own[name]) for name in ("key", "file") if own.get(name)], _item(path, None, _cells(own)))
            for own in content["items"]
        ]
        # Other tools may show the utterance instead of the key; repetitions have the name of the first.
        first = [
            ([str(own["utterance"])], item)
            for own, (_, item) in zip(content["items"], pairs, strict=True)
            if own.get("kind") != "repeat"
        ]
        return Items(path, _by_name([*pairs, *first]), content["hash"], tuple(content["answers"]))
    except FileNotFoundError as error:
        raise RatingsError(path, None, "no such file. Give the protocol.json of the test.") from error
    except (DocumentError, OSError, KeyError, TypeError, AttributeError) as error:
        raise RatingsError(
            path, None, f"is not a protocol of `sercl listen build` ({error!r}). Give its protocol.json."
        ) from error


def _cells(own: Mapping[str, Any]) -> dict[str, str | None]:
    names = ("task", "kind", "block", *_FACTS)
    cells = {name: None if own.get(name) is None else str(own[name]) for name in names}
    return {**cells, "truth": own.get("truth"), "item": str(own["utterance"])}


def _item(path: Path, line: int | None, cells: Mapping[str, str | None]) -> Item:
    truth = next((cells[name] for name in _TRUTHS if cells.get(name)), None)
    facts = {name: cells.get(name) for name in ("item", *_FACTS, "task", "kind", "block")}
    try:
        facts["truth"] = to_emotion(truth) if truth else None
        facts["language"] = to_language(facts["language"]) if facts["language"] else None
    except UsageError as error:
        raise RatingsError(path, line, str(error)) from None
    return Item({name: value for name, value in facts.items() if value is not None})


def _by_name(pairs: Iterable[tuple[list[str], Item]]) -> dict[str, Item | None]:
    found: dict[str, Item | None] = {}
    stems: dict[str, Item | None] = {}
    for names, item in pairs:
        for name in names:
            _add(found, key_of(name), item)
            _add(stems, key_of(stem_of(name)), item)
    return {**stems, **found}


def _add(found: dict[str, Item | None], key: str, item: Item) -> None:
    found[key] = item if found.get(key, item) == item else None
