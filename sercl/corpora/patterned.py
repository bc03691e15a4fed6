"""Reads corpora that are described by a file-name pattern and a label map."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sercl.corpora.base import CorpusInfo, Listing, Problem, Utterance
from sercl.corpora.cells import clean
from sercl.corpora.folders import AudioFolder, another_format, existing_folder, format_rank, not_found
from sercl.corpora.manifest_cells import split_name
from sercl.corpora.normal_form import unified
from sercl.errors import UnknownNameError

SEXES: Mapping[str, str] = {"f": "female", "m": "male", "female": "female", "male": "male"}

_FIELDS = ("session", "text", "split", "dialect", "language")
"""Groups that give the field of an utterance of that name."""


@dataclass(frozen=True)
class Pattern:
    """How the file names of a corpus are read. Codes are compared in lower case.

    Attributes:
        info: Facts about the corpus.
        regex: Searched, ignoring case, in the absolute path with forward slashes and the suffix `.wav`
            instead of the file's own; ends in `$`. The groups `emotion`, `speaker`, `gender`, `session`,
            `text`, `split`, `dialect` and `language` give these fields, all others go to `extra`.
        emotions: Emotion code -> emotion name.
        genders: Code of the group `gender`, or speaker without such a group -> gender. Without such a map,
            the group itself says it ("F", "female").
        id: Format of the utterance's id, from the groups and `stem`.
        speakers: Misspelt speaker code -> correct code.
        values: Group -> code -> readable value, for groups other than emotion, speaker and gender.
        texts: Value of the group `sentence` -> transcript.
    """

    info: CorpusInfo
    regex: str
    emotions: Mapping[str, str]
    genders: Mapping[str, str] = field(default_factory=dict)
    id: str = "{stem}"
    speakers: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """The compiled `regex`."""
        return re.compile(self.regex, re.IGNORECASE)

    def groups(self, path: Path) -> dict[str, str] | None:
        """Return the groups that match a path, or None if its name does not match."""
        match = self.compiled.search(clean(path.with_suffix(".wav").as_posix()))
        return {name: text for name, text in match.groupdict().items() if text} if match else None

    def utterance(self, path: Path, groups: Mapping[str, str]) -> Utterance | None:
        """Return the utterance in a file, or None if its emotion code is unknown.

        Raises:
            UnknownNameError: For a split other than training, validation and test.
        """
        emotion = self.emotions.get(groups["emotion"].lower())
        if emotion is None:
            return None
        code = groups.get("speaker", "")
        speaker = self.speakers.get(code.lower(), code)
        rest = self._readable(groups)
        return Utterance(
            id=self.id.format(**{**groups, "stem": path.stem, "speaker": speaker}),
            path=path,
            emotion=emotion,
            corpus=self.info.name,
            language=rest.get("language", self.info.languages[0]),
            speaker=speaker or None,
            gender=self._gender(groups, speaker),
            text=rest.get("text", self.texts.get(groups.get("sentence", "").lower())),
            dialect=rest.get("dialect"),
            session=rest.get("session"),
            split=split_name(rest.get("split")),
            extra={key: value for key, value in rest.items() if key not in _FIELDS},
        )

    def _gender(self, groups: Mapping[str, str], speaker: str) -> str | None:
        if not self.genders:
            return groups.get("gender")
        return self.genders.get(groups.get("gender", speaker).lower())

    def _readable(self, groups: Mapping[str, str]) -> dict[str, str]:
        rest = {key: code for key, code in groups.items() if key not in ("emotion", "speaker", "gender")}
        return {key: self.values.get(key, {}).get(code.lower(), code) for key, code in rest.items()}


def read_pattern(pattern: Pattern, root: Path) -> Listing:
    """List a corpus by its file names.

    The files may lie anywhere below `root`, so a root one level too high or too deep works too.

    Args:
        pattern: How its file names are read.
        root: The corpus folder.

    Raises:
        CorpusNotFoundError: If no file below `root` has a name of this corpus.
    """
    folder = existing_folder(root, pattern.info.name)
    audio = AudioFolder(folder)
    found = [_read_name(pattern, path) for path in audio.files]
    if not any(isinstance(item, Utterance) for item in found):
        raise not_found(folder, pattern.info.name, f"files such as {pattern.info.layout}")
    return unique_listing(found, audio.problems)


def unique_listing(found: Iterable[Utterance | Problem], more: Iterable[Problem] = ()) -> Listing:
    """Return a listing in normal form, sorted by id.

    Of several files with the same id, one is kept: a wav before other formats, then the shortest path.
    """
    items = [*found, *more]
    problems = [item for item in items if isinstance(item, Problem)]
    utterances, notes = unified([item for item in items if isinstance(item, Utterance)])
    kept: dict[str, Utterance] = {}
    for utterance in sorted(utterances, key=_rank):
        first = kept.setdefault(utterance.id, utterance)
        if first is not utterance:
            problems.append(_copy(utterance.path, first))
    return Listing(tuple(kept.values()), tuple(problems), notes)


def _rank(utterance: Utterance) -> tuple[object, ...]:
    path = utterance.path
    return utterance.id, *format_rank(path), len(path.parts), str(path)


def _copy(path: Path, used: Utterance) -> Problem:
    if path.suffix.lower() != used.path.suffix.lower():
        return another_format(path, used.path)
    reason = f"a second file for utterance {used.id}; {used.path} is used"
    return Problem(path, reason, kind="duplicate")


def _read_name(pattern: Pattern, path: Path) -> Utterance | Problem:
    groups = pattern.groups(path)
    if groups is None:
        reason = f"not a file name of {pattern.info.name} ({pattern.info.layout})"
        return Problem(path, reason, kind="name")
    code = groups["emotion"]
    valid = ", ".join(Counter(pattern.emotions))
    try:
        found = pattern.utterance(path, groups)
    except UnknownNameError as error:
        return Problem(path, str(error))
    return found or Problem(path, f"unknown emotion {code!r}; valid: {valid}")
